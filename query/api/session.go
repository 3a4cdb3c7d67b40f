package api

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
)

type sessionAnswer struct {
	Success   bool  `json:"success"`
	ErrorCode int64 `json:"error_code"`
	*pair
}

// reuseGrace is how long a refresh token may come again: its answer may have
// been lost on the way.
const reuseGrace = 30 * time.Second

// refresh answers POST /auth/refresh, an endpoint of our own: {"refresh_token"}
// of a login or of the last renewal becomes new tokens of the same session,
// which ends EARSHOT_SESSION_TTL after the login. A token is good for once; one
// that comes again was stolen, by whoever came first or now, and its session
// ends (RFC 9700 section 4.14.2). Errors: 4001 4002 4012 4290
// 5030.
func (a *API) refresh(c *fiber.Ctx) error {
	if err := a.limitStranger(c.Context()); err != nil {
		return err
	}
	var in struct {
		Token string `json:"refresh_token"`
	}
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Token == "" {
		return schemas.Fail(schemas.CodeMissing, "refresh_token")
	}
	token, key, err := a.tokens.check(a.tokens.refresh, in.Token)
	if err != nil {
		return err
	}
	a.users.Remove(key) // what was ended a moment ago, by another process, is renewed by nobody
	user, err := a.userOf(key)
	if err != nil {
		return err
	}
	if !token.speaksFor(user) || token.SessionEnd == nil || token.IssuedAt == nil {
		return schemas.Fail(schemas.CodeBadToken, "")
	}
	now := time.Now()
	age, err := a.Accounts.Use(c.UserContext(), token.refresh(user), now)
	if err != nil {
		return err
	}
	if age > reuseGrace {
		return a.reused(c, user, token)
	}
	tokens, err := a.tokens.pair(user, session{token.Session, token.SessionEnd.Time}, now)
	if err != nil {
		return err
	}
	a.auditAs(c, user, schemas.AuditRefresh, "")
	return a.okSession(c, &tokens)
}

func (a *API) reused(c *fiber.Ctx, user schemas.User, token claims) error {
	user, err := a.Accounts.EndSession(c.UserContext(), user.Org, user.ID, token.Session, token.SessionEnd.Time)
	if err != nil {
		return err
	}
	a.changed(user)
	a.auditAs(c, user, schemas.AuditRefreshReused, "")
	return schemas.Fail(schemas.CodeBadToken, "")
}

func (a *API) okSession(c *fiber.Ctx, tokens *pair) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return a.ok(c, sessionAnswer{Success: true, pair: tokens})
}

// logout answers POST /auth/logout, an endpoint of our own: the tokens of the
// request's session end, with {"everywhere": true} all of the user's. Here at
// once, in other processes within five seconds. Errors: 4001 4012 4023.
func (a *API) logout(c *fiber.Ctx) error {
	var in struct {
		Everywhere bool `json:"everywhere"`
	}
	if len(c.Request().Body()) > 0 {
		if err := parseJSON(c, &in); err != nil {
			return err
		}
	}
	call := callOf(c.Context())
	session, end := call.token.Session, time.Time{}
	if call.token.SessionEnd != nil {
		end = call.token.SessionEnd.Time
	}
	object := "session"
	if in.Everywhere {
		session, object = "", "all sessions"
	}
	user, err := a.Accounts.EndSession(c.UserContext(), call.user.Org, call.user.ID, session, end)
	if err != nil {
		return err
	}
	a.changed(user)
	a.audit(c, schemas.AuditLogout, object)
	return a.okSession(c, nil)
}

// changePassword answers POST /auth/password, an endpoint of our own:
// {"password_hash": "of the present one, as at login", "password": "the new
// one"}. All tokens of the user end; the answer has new ones. Errors: 4001 4002
// 4012 4023 4031 4290.
func (a *API) changePassword(c *fiber.Ctx) error {
	var in struct {
		Hash     string `json:"password_hash"`
		Password string `json:"password"`
	}
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Hash == "" {
		return schemas.Fail(schemas.CodeMissing, "password_hash")
	}
	if in.Password == "" {
		return schemas.Fail(schemas.CodeMissing, "password")
	}
	in.Hash = strings.ToLower(in.Hash) // as login does
	if err := checkHash(in.Hash); err != nil {
		return err
	}
	call := callOf(c.Context())
	if _, err := a.verify(c, call.user.Email, in.Hash); err != nil {
		return err
	}
	user, _, err := a.Accounts.SetPassword(c.UserContext(), call.user.Org, call.user.ID, in.Password)
	if err != nil {
		return err
	}
	a.changed(user)
	a.audit(c, schemas.AuditPassword, userObject(user))
	now := time.Now()
	tokens, err := a.begin(c.UserContext(), user, a.tokens.newSession(now), now)
	if err != nil {
		return err
	}
	return a.okSession(c, &tokens)
}
