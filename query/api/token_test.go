package api

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"earshot/ingest"
	"earshot/schemas"
)

func TestTokens(t *testing.T) {
	x := newTenant(t)
	secret := []byte(the.api.cfg.JWTSecret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"org": x.org, "sub": "1", "iss": issuer, "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	}
	sign := func(m jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		c := good()
		if change != nil {
			change(c)
		}
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	set := func(name string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
	hs := jwt.SigningMethodHS256
	for _, c := range []struct {
		name, header string
		status       int
		code         schemas.Code
	}{
		{"good", "Bearer " + sign(hs, secret, nil), 200, 0},
		{"scheme in lower case", "bearer " + sign(hs, secret, nil), 200, 0},
		{"within the leeway", "Bearer " + sign(hs, secret, set("exp", now.Add(-10*time.Second).Unix())), 200, 0},
		{"none", "", 401, schemas.CodeUnauthorized},
		{"no scheme", sign(hs, secret, nil), 401, schemas.CodeUnauthorized},
		{"other scheme", "Basic dXNlcjpwYXNz", 401, schemas.CodeUnauthorized},
		{"empty", "Bearer ", 401, schemas.CodeUnauthorized},
		{"garbage", "Bearer a.b.c", 401, schemas.CodeBadToken},
		{"other key", "Bearer " + sign(hs, []byte(strings.Repeat("x", 32)), nil), 401, schemas.CodeBadToken},
		{"algorithm none", "Bearer " + sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), 401, schemas.CodeBadToken},
		{"algorithm HS512", "Bearer " + sign(jwt.SigningMethodHS512, secret, nil), 401, schemas.CodeBadToken},
		{"algorithm RS256", "Bearer " + sign(jwt.SigningMethodRS256, rsaKey, nil), 401, schemas.CodeBadToken},
		{"no expiry", "Bearer " + sign(hs, secret, set("exp", nil)), 401, schemas.CodeBadToken},
		{"expired", "Bearer " + sign(hs, secret, set("exp", now.Add(-time.Minute).Unix())), 401, schemas.CodeBadToken},
		{"from the future", "Bearer " + sign(hs, secret, set("iat", now.Add(time.Hour).Unix())), 401, schemas.CodeBadToken},
		{"other audience", "Bearer " + sign(hs, secret, set("aud", "another")), 401, schemas.CodeBadToken},
		{"no audience", "Bearer " + sign(hs, secret, set("aud", nil)), 401, schemas.CodeBadToken},
		{"other issuer", "Bearer " + sign(hs, secret, set("iss", "another")), 401, schemas.CodeBadToken},
		{"no organisation", "Bearer " + sign(hs, secret, set("org", "")), 401, schemas.CodeBadToken},
		{"unknown organisation", "Bearer " + sign(hs, secret, set("org", "org_nobody")), 401, schemas.CodeBadToken},
		{"unknown user", "Bearer " + sign(hs, secret, set("sub", "77")), 401, schemas.CodeBadToken},
		{"user is no number", "Bearer " + sign(hs, secret, set("sub", "admin")), 401, schemas.CodeBadToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := the.get(t, "/dictionaries", "", "Authorization", c.header)
			r.want(t, c.status, c.code)
			if c.status == 401 && (r.at("success") != false || r.at("error_message") == "" || r.header.Get("WWW-Authenticate") != "Bearer") {
				t.Errorf("%s %v", r.raw, r.header)
			}
		})
	}
}

func TestEveryEndpointWantsAToken(t *testing.T) {
	for _, e := range [][2]string{
		{"GET", "/user/tariff"}, {"GET", "/user/vocabulary"}, {"PUT", "/user/vocabulary"}, {"POST", "/addtaskcall"}, {"POST", "/add_chat_analysis_task"}, {"GET", "/gettask"}, {"GET", "/tasks/filter"},
		{"POST", "/tasks/filter"}, {"GET", "/user/tasks/filter"}, {"POST", "/user/tasks/filter"}, {"GET", "/api/calls_analysis_v2/x"},
		{"GET", "/api/calls_analysis/x"}, {"GET", "/dictionaries"}, {"POST", "/user/callreport"},
		{"POST", "/auth/logout"}, {"POST", "/auth/password"}, {"GET", "/plans"}, {"GET", "/admin/users"}, {"POST", "/admin/users"},
		{"PATCH", "/admin/users/1"}, {"POST", "/admin/users/1/password"},
	} {
		the.send(t, e[0], e[1], "", nil).want(t, 401, schemas.CodeUnauthorized)
	}
}

func TestADisabledUserIsOut(t *testing.T) {
	x := newTenant(t)
	the.get(t, "/user/tariff", x.token).want(t, 200, 0)
	x.user.Disabled = true
	put(t, x.org, schemas.KindUser, "1", 2, x.user)
	begin := time.Now()
	eventually(t, "the token is refused", func() bool { return the.get(t, "/user/tariff", x.token).status == 401 })
	if took := time.Since(begin); took > cacheTime+2*time.Second {
		t.Errorf("it took %v", took)
	}
	the.post(t, "/auth/login", "", credentials(x.email, password)).want(t, 401, schemas.CodeUnauthorized)
}

func credentials(email, pass string) map[string]string {
	return map[string]string{"email": email, "password_hash": ingest.PasswordHash(pass), "captcha_token": "any"}
}

func TestLogin(t *testing.T) {
	x := newTenant(t)
	put(t, x.org, schemas.KindDirectory, "70", 1, schemas.Directory{ID: 70, Name: "Website promotion"})
	code := insert(t, x, row{status: schemas.StatusCompleted, kind: schemas.TypeCall, file: "a.wav", seconds: 384, callTime: time.Date(2025, 10, 20, 8, 0, 0, 0, time.UTC)})
	r := the.post(t, "/auth/login", "", credentials(" "+strings.ToUpper(x.email), password))
	r.want(t, 200, 0)
	for path, want := range map[string]any{
		"message": "Login successful", "locale": "en", "user_id": 1.0, "email": x.email,
		"tariff.id": 4.0, "tariff.name": "Enterprise", "tariff.identifier": "enterprise", "tariff.days_left": 30.0,
		"tariff.remaining_resources.available_audio_minutes": 10000.0, "tariff.remaining_resources.available_call_minutes": 10000.0,
		"tariff.remaining_resources.available_text_tokens": 0.0, "tariff.remaining_resources.available_image_tokens": 0.0,
		"tariff.usage.used_audio_minutes": 0.0, "tariff.usage.used_call_minutes": 0.0, "tariff.usage.used_text_tokens": 0.0, "tariff.usage.used_image_tokens": 0.0,
		"tariff.transcription_enabled": true, "tariff.image_generation_enabled": false, "tariff.calls_enabled": true,
		"directories.0.id": 70.0, "directories.0.name": "Website promotion",
		"last_tasks.0.directory_id": nil, "last_tasks.0.status": "completed", "last_tasks.0.id": code, "last_tasks.0.file_path": "a.wav", "last_tasks.0.task_length": 6.4,
		"call_activity_tree.2025.10.20": 1.0,
	} {
		r.has(t, path, want)
	}
	for _, path := range []string{"tariff.start_date", "tariff.end_date", "last_tasks.0.created_at"} {
		r.isTime(t, path, "2006-01-02T15:04:05.000000Z")
	}
	token, _ := r.at("token").(string)
	the.get(t, "/user/tariff", token).want(t, 200, 0)
	if r.header.Get("Cache-Control") != "no-store" {
		t.Error("an answer with a token may be cached")
	}
}

func TestLoginWithoutAPlan(t *testing.T) {
	x := newTenantWith(t, nil)
	r := the.post(t, "/auth/login", "", credentials(x.email, password))
	r.want(t, 200, 0)
	r.has(t, "tariff", nil)
	r.has(t, "directories", []any{})
	r.has(t, "last_tasks", []any{})
	r.has(t, "call_activity_tree", map[string]any{})
}

func TestLoginRefuses(t *testing.T) {
	x := newTenant(t)
	hash := ingest.PasswordHash(password)
	wrong := the.post(t, "/auth/login", "", credentials(x.email, "wrong"))
	unknown := the.post(t, "/auth/login", "", credentials("nobody@example.com", password))
	wrong.want(t, http.StatusUnauthorized, schemas.CodeUnauthorized)
	if wrong.raw != unknown.raw || wrong.status != unknown.status {
		t.Errorf("a wrong password answers %s, an unknown account %s", wrong.raw, unknown.raw)
	}
	for _, c := range []struct {
		body string
		code schemas.Code
	}{
		{`{"password_hash":"` + hash + `"}`, schemas.CodeMissing},
		{`{"email":"` + x.email + `"}`, schemas.CodeMissing},
		{`{"email":"not an address","password_hash":"` + hash + `"}`, schemas.CodeInvalid},
		{`{"email":"Name <a@b.example>","password_hash":"` + hash + `"}`, schemas.CodeInvalid},
		{`{"email":"` + x.email + `","password_hash":"` + password + `"}`, schemas.CodeInvalid},
		{`{"email":7,"password_hash":"` + hash + `"}`, schemas.CodeInvalid},
		{`[]`, schemas.CodeInvalid},
		{``, schemas.CodeInvalid},
		{`{"email":`, schemas.CodeInvalid},
	} {
		the.post(t, "/auth/login", "", c.body).want(t, 200, c.code)
	}
}

func TestLoginIsLockedAfterFailures(t *testing.T) {
	strict := func(c *Config) { c.LoginFailures = 3 }
	s, other := serve(t, the.deps, strict), serve(t, the.deps, strict)
	x, y := newTenant(t), newTenant(t)
	forgetFailures(t)
	t.Cleanup(func() { forgetFailures(t) })
	for range 2 {
		s.post(t, "/auth/login", "", credentials(x.email, "wrong")).want(t, 401, schemas.CodeUnauthorized)
	}
	s.post(t, "/auth/login", "", credentials(x.email, password)).want(t, 200, 0) // clears the count
	for range 3 {
		s.post(t, "/auth/login", "", credentials(x.email, "wrong")).want(t, 401, schemas.CodeUnauthorized)
	}
	r := s.post(t, "/auth/login", "", credentials(x.email, password)) // right, but too late
	r.want(t, http.StatusTooManyRequests, schemas.CodeTooMany)
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 15*60 {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	other.post(t, "/auth/login", "", credentials(x.email, password)).want(t, http.StatusTooManyRequests, schemas.CodeTooMany) // in every process
	s.post(t, "/auth/login", "", credentials(y.email, password)).want(t, 200, 0)                                              // another account, the same address
	// An untrusted client cannot move its failures to another address.
	for i := 0; ; i++ {
		r := s.post(t, "/auth/login", "", credentials("nobody"+strings.Repeat("x", i)+"@example.com", "wrong"), "X-Real-Ip", "192.0.2."+string(rune('0'+i%10)), "X-Forwarded-For", "192.0.2.7")
		if r.status == http.StatusTooManyRequests {
			break
		}
		if i > 3*perAddress {
			t.Fatal("the address is never locked")
		}
	}
}

// forgetFailures begins the count of failed logins anew: all tests have one
// address.
func forgetFailures(t *testing.T) {
	t.Helper()
	keys, err := the.engines.Redis.Keys(context.WithoutCancel(t.Context()), "earshot:attempts:*").Result()
	if err == nil && len(keys) > 0 {
		err = the.engines.Redis.Del(context.WithoutCancel(t.Context()), keys...).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFailuresCountForANetwork(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "::ffff:192.0.2.7": "::ffff:192.0.2.7", "": "", "x": "x"} {
		if got := network(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
