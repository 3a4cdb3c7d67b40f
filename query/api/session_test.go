package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/schemas"
	"earshot/sinks/state"
)

// login logs a tenant in and gives its two tokens.
func login(t *testing.T, x tenant, pass string) (token, refresh string) {
	t.Helper()
	r := the.post(t, "/auth/login", "", credentials(x.email, pass))
	r.want(t, 200, 0)
	return tokensOf(t, r)
}

func tokensOf(t *testing.T, r reply) (token, refresh string) {
	t.Helper()
	token, _ = r.at("token").(string)
	refresh, _ = r.at("refresh_token").(string)
	if token == "" || refresh == "" || r.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("no tokens, or ones that may be cached: %s", r.raw)
	}
	r.isTime(t, "expires_at", time.RFC3339)
	r.isTime(t, "refresh_expires_at", time.RFC3339)
	return token, refresh
}

func renew(t *testing.T, s *service, refresh string) reply {
	t.Helper()
	return s.post(t, "/auth/refresh", "", map[string]string{"refresh_token": refresh})
}

func TestRefresh(t *testing.T) {
	x := newTenant(t)
	token, refresh := login(t, x, password)
	r := renew(t, the.service, refresh)
	r.want(t, 200, 0)
	r.has(t, "success", true)
	token2, refresh2 := tokensOf(t, r)
	if token2 == token || refresh2 == refresh {
		t.Error("the tokens are the same")
	}
	for _, good := range []string{token, token2} {
		the.get(t, "/user/tariff", good).want(t, 200, 0)
	}
	renew(t, the.service, refresh).want(t, 200, 0) // its answer may have been lost
	// Neither kind of token is taken for the other.
	the.get(t, "/user/tariff", refresh2).want(t, 401, schemas.CodeBadToken)
	renew(t, the.service, token2).want(t, 401, schemas.CodeBadToken)
	for body, code := range map[string]schemas.Code{`{}`: schemas.CodeMissing, `{"refresh_token":7}`: schemas.CodeInvalid, ``: schemas.CodeInvalid} {
		the.post(t, "/auth/refresh", "", body).want(t, 200, code)
	}
	for _, bad := range []string{"a.b.c", refresh + "x"} {
		renew(t, the.service, bad).want(t, 401, schemas.CodeBadToken)
	}
}

// A refresh token that comes again later was stolen: the session ends, with all
// tokens that were made of it; other sessions do not. A Redis that lost
// everything knows it again.
func TestAReusedRefreshTokenEndsItsSession(t *testing.T) {
	for _, flushed := range []bool{false, true} {
		x := newTenant(t)
		other, _ := login(t, x, password)
		_, stolen := login(t, x, password)
		token, refresh := tokensOf(t, renew(t, the.service, stolen))
		renewedLongAgo(t, x)
		if flushed {
			flush(t)
		}
		the.get(t, "/user/tariff", token).want(t, 200, 0)
		renew(t, the.service, stolen).want(t, 401, schemas.CodeBadToken)
		the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
		renew(t, the.service, refresh).want(t, 401, schemas.CodeBadToken)
		the.get(t, "/user/tariff", other).want(t, 200, 0)
	}
}

// renewedLongAgo makes a tenant's refresh tokens as if they had been used longer
// than reuseGrace ago.
func renewedLongAgo(t *testing.T, x tenant) {
	t.Helper()
	known, err := state.Get[schemas.Renewals](t.Context(), the.store, x.org, schemas.KindRenewals, x.user.ID)
	if err != nil || known == nil || len(known.Sessions) == 0 {
		t.Fatal(known, err)
	}
	for _, session := range known.Sessions {
		for i := range session.Used {
			session.Used[i].At -= 2 * reuseGrace.Milliseconds()
		}
	}
	if err := the.door.Save(t.Context(), x.org, schemas.KindRenewals, idText(x.user.ID), known); err != nil {
		t.Fatal(err)
	}
}

func TestASessionEnds(t *testing.T) {
	s := serve(t, the.deps, func(c *Config) { c.TokenTTL, c.SessionTTL = time.Hour, time.Hour })
	x := newTenant(t)
	begin := time.Now().Add(-50 * time.Minute)
	p, err := s.api.tokens.pair(x.user, s.api.tokens.newSession(begin), begin)
	if err != nil {
		t.Fatal(err)
	}
	r := renew(t, s, p.Refresh)
	r.want(t, 200, 0)
	if r.at("expires_at") != p.RefreshTo || r.at("refresh_expires_at") != p.RefreshTo {
		t.Errorf("a renewed token is valid beyond the session, which ends %s: %s", p.RefreshTo, r.raw)
	}
	p, err = s.api.tokens.pair(x.user, s.api.tokens.newSession(begin.Add(-time.Hour)), begin)
	if err != nil {
		t.Fatal(err)
	}
	renew(t, s, p.Refresh).want(t, 401, schemas.CodeBadToken)
}

func TestLogout(t *testing.T) {
	x := newTenant(t)
	here, refresh := login(t, x, password)
	there, _ := login(t, x, password)
	the.post(t, "/auth/logout", here, "").want(t, 200, 0)
	the.get(t, "/user/tariff", here).want(t, 401, schemas.CodeBadToken)
	renew(t, the.service, refresh).want(t, 401, schemas.CodeBadToken)
	the.get(t, "/user/tariff", there).want(t, 200, 0)
	the.post(t, "/auth/logout", there, `{"everywhere": 1}`).want(t, 200, schemas.CodeInvalid)
	another, _ := login(t, x, password)
	the.post(t, "/auth/logout", there, `{"everywhere": true}`).want(t, 200, 0)
	for _, token := range []string{there, another, x.token} {
		the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
	}
	again, _ := login(t, x, password)
	the.get(t, "/user/tariff", again).want(t, 200, 0)
	// It is on the log: a Redis that lost everything knows it again.
	flush(t)
	the.get(t, "/user/tariff", here).want(t, 401, schemas.CodeBadToken)
	the.get(t, "/user/tariff", there).want(t, 401, schemas.CodeBadToken)
	the.get(t, "/user/tariff", again).want(t, 200, 0)
}

// flush empties Redis and waits until the state is built again.
func flush(t *testing.T) {
	t.Helper()
	if err := the.engines.Redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	the.api.users.Purge()
	if err := the.store.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// More sessions than a user remembers as ended end all of them.
func TestEndedSessionsAreBounded(t *testing.T) {
	x := newTenant(t)
	old, _ := login(t, x, password)
	for i := range 101 {
		user, err := the.deps.Accounts.EndSession(t.Context(), x.org, 1, fmt.Sprint("s", i), time.Now().Add(time.Hour))
		if err != nil || len(user.Ended) > 100 {
			t.Fatalf("%d: %d are remembered, %v", i, len(user.Ended), err)
		}
	}
	the.api.users.Purge()
	the.get(t, "/user/tariff", old).want(t, 401, schemas.CodeBadToken)
	user, err := the.deps.Accounts.EndSession(t.Context(), x.org, 1, "s", time.Now().Add(-time.Hour))
	if err == nil {
		user, err = the.deps.Accounts.EndSession(t.Context(), x.org, 1, "r", time.Now().Add(time.Hour))
	}
	if _, kept := user.Ended["r"]; err != nil || len(user.Ended) != 1 || !kept {
		t.Errorf("what has run out is remembered: %v, %v", user.Ended, err)
	}
}

func TestChangePassword(t *testing.T) {
	x := newTenant(t)
	token, refresh := login(t, x, password)
	change := func(now, new string) reply {
		return the.post(t, "/auth/password", token, map[string]string{"password_hash": ingest.PasswordHash(now), "password": new})
	}
	const fresh = "staple battery horse"
	change("wrong", fresh).want(t, 401, schemas.CodeUnauthorized)
	for _, weak := range []string{"short", "aaaaaaaaaaaaaaaaaaaa", "my " + x.email + " is it"} {
		change(password, weak).want(t, 200, schemas.CodeBadPassword)
	}
	change(password, "").want(t, 200, schemas.CodeMissing)
	the.post(t, "/auth/password", token, map[string]string{"password_hash": "x", "password": fresh}).want(t, 200, schemas.CodeInvalid)
	the.get(t, "/user/tariff", token).want(t, 200, 0) // nothing of it changed anything
	// In capitals, as login takes it too.
	r := the.post(t, "/auth/password", token, map[string]string{"password_hash": strings.ToUpper(ingest.PasswordHash(password)), "password": fresh})
	r.want(t, 200, 0)
	now, _ := tokensOf(t, r)
	the.get(t, "/user/tariff", now).want(t, 200, 0)
	the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
	renew(t, the.service, refresh).want(t, 401, schemas.CodeBadToken)
	the.post(t, "/auth/login", "", credentials(x.email, password)).want(t, 401, schemas.CodeUnauthorized)
	login(t, x, fresh)
}

func TestADisabledOrganisationIsOut(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	set := func(disabled bool) {
		t.Helper()
		if err := the.deps.Accounts.Admit(t.Context(), x.org, !disabled); err != nil {
			t.Fatal(err)
		}
		the.api.users.Purge() // else it takes up to cacheTime
	}
	_, refresh := login(t, x, password)
	set(true)
	the.get(t, "/user/tariff", x.token).want(t, 401, schemas.CodeBadToken)
	renew(t, the.service, refresh).want(t, 401, schemas.CodeBadToken)
	the.post(t, "/auth/login", "", credentials(x.email, password)).want(t, http.StatusUnauthorized, schemas.CodeUnauthorized)
	// Whose password was found right just before comes out without a token, which would be good again later.
	now := time.Now()
	if _, err := the.api.begin(t.Context(), x.user, the.api.tokens.newSession(now), now); !isCode(err, schemas.CodeBadToken) {
		t.Errorf("tokens of a disabled organisation: %v", err)
	}
	the.get(t, "/user/tariff", other.token).want(t, 200, 0)
	set(false)
	// Whoever had a token then, perhaps the reason why it was disabled, has none now.
	the.get(t, "/user/tariff", x.token).want(t, 401, schemas.CodeBadToken)
	renew(t, the.service, refresh).want(t, 401, schemas.CodeBadToken)
	token, refresh := login(t, x, password)
	the.get(t, "/user/tariff", token).want(t, 200, 0)
	token, _ = tokensOf(t, renew(t, the.service, refresh))
	r := the.post(t, "/auth/password", token, map[string]string{"password_hash": ingest.PasswordHash(password), "password": "another horse entirely"})
	r.want(t, 200, 0)
	token, _ = tokensOf(t, r)
	the.get(t, "/user/tariff", token).want(t, 200, 0)
}

// Renewals are on the log: without it there are none, and a client is told so in
// time, and when to ask again.
func TestRefreshWithoutTheLog(t *testing.T) {
	x := newTenant(t)
	_, refresh := login(t, x, password)
	gone, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	deps := the.deps
	door := ingest.NewDoor(ingest.Config{ProduceTimeout: 300 * time.Millisecond}, the.store, gone, &schemas.Codec{}, the.engines.Blobs,
		schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	deps.Accounts = accounts.New(the.store, door, schemas.DefaultPrices)
	s := serve(t, deps, nil)
	begin := time.Now()
	r := renew(t, s, refresh)
	r.want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
	if took := time.Since(begin); r.header.Get("Retry-After") == "" || took > 5*time.Second {
		t.Errorf("after %v: %v", took, r.header)
	}
	s.get(t, "/user/tariff", x.token).want(t, 200, 0) // who has a token needs no log
	renew(t, the.service, refresh).want(t, 200, 0)    // the token was not used up
}

// What could not be checked in time is our fault, and no failed login.
func TestLoginThatRunsOutOfTime(t *testing.T) {
	x := newTenant(t)
	s := serve(t, the.deps, func(c *Config) { c.RequestTimeout, c.LoginFailures = time.Nanosecond, 1 })
	for range 3 {
		s.post(t, "/auth/login", "", credentials(x.email, password)).want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
	}
	login(t, x, password)
}
