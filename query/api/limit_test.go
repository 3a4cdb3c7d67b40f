package api

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"earshot/schemas"
)

func TestRateLimitOfAUser(t *testing.T) {
	s := serve(t, the.deps, func(c *Config) { c.RateLimit, c.RateBurst = 1, 3 })
	x, other := newTenant(t), newTenant(t)
	second, err := s.api.tokens.issue(x.user, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.get(t, "/dictionaries", x.token).want(t, 200, 0)
	s.get(t, "/dictionaries", second).want(t, 200, 0) // another token of the same user
	upload(t, s, x, file("a.wav", wave(3, 8000, 1))).want(t, 200, 0)
	for _, r := range []reply{s.get(t, "/dictionaries", x.token), upload(t, s, x, file("b.wav", wave(4, 8000, 1)))} {
		r.want(t, http.StatusTooManyRequests, schemas.CodeTooMany)
		if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 50 || seconds > 60 {
			t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
		}
	}
	s.get(t, "/dictionaries", other.token).want(t, 200, 0)
	if r := s.get(t, "/healthz", ""); r.status != 200 {
		t.Error(r.raw)
	}
}

func TestRateLimitOfStrangers(t *testing.T) {
	s := serve(t, the.deps, func(c *Config) { c.StrangerLimit, c.TrustedProxies = 4, []string{"127.0.0.0/8"} })
	x := newTenant(t)
	from := func(address, token string) reply { return s.get(t, "/dictionaries", token, "X-Real-Ip", address) }
	for range 2 {
		from("2001:db8::1", "").want(t, 401, schemas.CodeUnauthorized)
		from("2001:db8::2", "bad").want(t, 401, schemas.CodeBadToken) // the same network
	}
	from("2001:db8::3", "").want(t, http.StatusTooManyRequests, schemas.CodeTooMany)
	for _, path := range []string{"/auth/login", "/auth/refresh"} {
		s.post(t, path, "", credentials(x.email, password), "X-Real-Ip", "2001:db8::1").want(t, http.StatusTooManyRequests, schemas.CodeTooMany)
	}
	from("2001:db8::1", x.token).want(t, 200, 0) // who is known is not limited by it
	from("2001:db8:1::1", "").want(t, 401, schemas.CodeUnauthorized)
	from("no address", "").want(t, 401, schemas.CodeUnauthorized) // counts for the proxy
	for range 6 {
		if r := s.get(t, "/healthz", "", "X-Real-Ip", "2001:db8::1"); r.status != 200 {
			t.Error(r.raw)
		}
	}
}

func TestNoLimit(t *testing.T) {
	s := serve(t, the.deps, func(c *Config) { c.RateLimit, c.StrangerLimit, c.RateBurst = 0, 0, 1 })
	x := newTenant(t)
	for range 20 {
		s.get(t, "/dictionaries", x.token).want(t, 200, 0)
		s.get(t, "/dictionaries", "").want(t, 401, schemas.CodeUnauthorized)
	}
}
