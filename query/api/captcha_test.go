package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"earshot/schemas"
)

func TestCaptcha(t *testing.T) {
	x := newTenant(t)
	var asked atomic.Pointer[url.Values]
	var answer atomic.Pointer[http.HandlerFunc] // a handler may outlive its cut-off answer
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		asked.Store(&r.PostForm)
		(*answer.Load())(w, r)
	}))
	defer provider.Close()
	strict := func(c *Config) { c.CaptchaURL, c.CaptchaSecret = provider.URL+"/siteverify", "hush" }
	s := serve(t, the.deps, strict)
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if _, err := w.Write([]byte(text)); err != nil {
				t.Log(err) // the client has had enough
			}
		}
	}
	try := func(token string) reply {
		in := credentials(x.email, password)
		in["captcha_token"] = token
		return s.post(t, "/auth/login", "", in)
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		code   schemas.Code
	}{
		{"confirmed", say(`{"success": true, "hostname": "x", "error-codes": []}`), 200, 0},
		{"refused", say(`{"success": false, "error-codes": ["timeout-or-duplicate"]}`), 200, schemas.CodeCaptcha},
		{"nothing said", say(`{}`), 200, schemas.CodeCaptcha},
		{"our secret is wrong", say(`{"success": false, "error-codes": ["invalid-input-secret"]}`), 503, schemas.CodeUnavailable},
		{"no JSON", say(`<html>`), 503, schemas.CodeUnavailable},
		{"success is no truth", say(`{"success": "true"}`), 503, schemas.CodeUnavailable},
		{"endless", say(`{"success": true, "x": "` + strings.Repeat("x", captchaAnswer) + `"}`), 503, schemas.CodeUnavailable},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 503, schemas.CodeUnavailable},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, 503, schemas.CodeUnavailable},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, 503, schemas.CodeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer.Store(&c.answer)
			r := try("solved")
			r.want(t, c.status, c.code)
			if form := asked.Load(); form.Get("secret") != "hush" || form.Get("response") != "solved" || form.Get("remoteip") != "127.0.0.1" {
				t.Errorf("asked with %v", form)
			}
			if strings.Contains(r.raw, "hush") {
				t.Error("the secret is in the answer")
			}
		})
	}
	asked.Store(nil)
	try("").want(t, 200, schemas.CodeMissing)
	try(strings.Repeat("x", captchaToken+1)).want(t, 200, schemas.CodeCaptcha)
	if asked.Load() != nil {
		t.Error("the provider was asked for nothing")
	}
	provider.Close()
	try("solved").want(t, 503, schemas.CodeUnavailable)
}

func TestCaptchaNeedsBothSettings(t *testing.T) {
	good := Config{LoginFailures: 1, MaxUploads: 1, MaxUploadBytes: 1, TokenTTL: 1, SessionTTL: 1, LoginLock: 1, RequestTimeout: 1, ReadTimeout: 1, UploadTimeout: 1, RateBurst: 1}
	for _, c := range []struct {
		url, secret string
		ok          bool
	}{
		{"", "", true}, {"https://challenges.example/siteverify", "s", true}, {"https://challenges.example/siteverify", "", false},
		{"", "s", false}, {"challenges.example", "s", false}, {"ftp://challenges.example", "s", false}, {"https://%", "s", false},
	} {
		cfg := good
		cfg.CaptchaURL, cfg.CaptchaSecret = c.url, c.secret
		if err := cfg.Validate(); (err == nil) != c.ok {
			t.Errorf("%q with %q: %v", c.url, c.secret, err)
		}
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.SessionTTL = 0 }, func(c *Config) { c.RateLimit = -1 }, func(c *Config) { c.StrangerLimit = -1 }, func(c *Config) { c.RateBurst = 0 },
		func(c *Config) { c.TrustedProxies = []string{"proxy"} },
	} {
		cfg := good
		if change(&cfg); cfg.Validate() == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
