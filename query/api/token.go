package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"earshot/ingest/accounts"
	"earshot/schemas"
)

// Claims of our tokens.
const (
	issuer          = "earshot"
	audience        = "earshot-api"
	refreshAudience = "earshot-refresh" // so that neither token is taken for the other
	leeway          = 30 * time.Second  // of clocks that differ
	minSecret       = 32                // bytes; HS256 needs a key as long as its digest (RFC 7518 section 3.2)
)

// claims of a token: Subject is the user id, Org the organisation. A token is
// void when its epoch is not the user's, or its session was ended.
type claims struct {
	Org        string           `json:"org"`
	Epoch      int64            `json:"epoch,omitempty"`
	Session    string           `json:"sid,omitempty"`
	SessionEnd *jwt.NumericDate `json:"send,omitempty"` // no token of the session is valid beyond it
	jwt.RegisteredClaims
}

// key is the user a token speaks for.
func (c claims) key() (key userKey, err error) {
	key.org = c.Org
	if key.id, err = strconv.ParseInt(c.Subject, 10, 64); err == nil && c.Org == "" {
		err = errors.New("no organisation")
	}
	return key, err
}

// speaksFor says whether the token is still one of the user's.
func (c claims) speaksFor(u schemas.User) bool {
	_, ended := u.Ended[c.Session]
	return c.Epoch == u.Epoch && !ended
}

// refresh is what is remembered of a refresh token of u.
func (c claims) refresh(u schemas.User) accounts.RefreshToken {
	return accounts.RefreshToken{Org: u.Org, User: u.ID, ID: c.ID, Session: c.Session, Issued: c.IssuedAt.Time, Expires: c.SessionEnd.Time}
}

// tokens makes and checks login tokens and the tokens that renew them.
type tokens struct {
	secret          []byte
	ttl, session    time.Duration
	access, refresh *jwt.Parser
}

func newTokens(secret string, ttl, session time.Duration) tokens {
	parser := func(audience string) *jwt.Parser {
		return jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithLeeway(leeway))
	}
	return tokens{[]byte(secret), ttl, session, parser(audience), parser(refreshAudience)}
}

// A session is what a login begins: its tokens are renewed until it ends.
type session struct {
	id  string
	end time.Time
}

func (t tokens) newSession(now time.Time) session {
	return session{uuid.NewString(), now.Add(t.session)}
}

// pair is what a client gets at login and at each renewal.
type pair struct {
	Token     string `json:"token"`
	Expires   string `json:"expires_at"`
	Refresh   string `json:"refresh_token"` // for POST /auth/refresh, once
	RefreshTo string `json:"refresh_expires_at"`
}

func (t tokens) pair(u schemas.User, s session, now time.Time) (p pair, err error) {
	end := earlier(now.Add(t.ttl), s.end)
	p.Expires, p.RefreshTo = end.UTC().Format(time.RFC3339), s.end.UTC().Format(time.RFC3339)
	if p.Token, err = t.sign(u, s, audience, now, end); err != nil {
		return p, err
	}
	p.Refresh, err = t.sign(u, s, refreshAudience, now, s.end)
	return p, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// issue makes a login token of a session of its own.
func (t tokens) issue(u schemas.User, now time.Time) (string, error) {
	p, err := t.pair(u, t.newSession(now), now)
	return p.Token, err
}

func (t tokens) sign(u schemas.User, s session, aud string, now, end time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{u.Org, u.Epoch, s.id, jwt.NewNumericDate(s.end), jwt.RegisteredClaims{
		ID: uuid.NewString(), Issuer: issuer, Audience: jwt.ClaimStrings{aud}, Subject: strconv.FormatInt(u.ID, 10),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(end),
	}}).SignedString(t.secret)
}

// check gives the claims of a token, and whose it is. Which check failed is not
// told.
func (t tokens) check(parser *jwt.Parser, token string) (c claims, key userKey, err error) {
	_, err = parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return t.secret, nil })
	if err == nil {
		key, err = c.key()
	}
	if err != nil {
		return claims{}, userKey{}, schemas.Because(schemas.CodeBadToken, err, "")
	}
	return c, key, nil
}

// Users are looked up once in cacheTime, so that a disabled user is out at
// latest after it, and a busy client does not cost a lookup a request.
const (
	cacheTime      = 5 * time.Second
	maxCachedUsers = 10_000
)

type userKey struct {
	org string
	id  int64
}

type cachedUser struct {
	schemas.User
	until time.Time
}

// authenticated lets only requests with a valid token on.
func (a *API) authenticated(c *fiber.Ctx) error {
	if err := a.identify(c.Context()); err != nil {
		return err
	}
	return c.Next()
}

// identify finds out whose request it is: 4023 without a token, 4012 with a
// bad one or one of a user who is gone, 4290 for who asks too often.
func (a *API) identify(ctx *fasthttp.RequestCtx) error {
	c := callOf(ctx)
	if c.user.ID != 0 {
		return nil
	}
	user, token, err := a.bearer(ctx)
	var coded *schemas.Error
	if errors.As(err, &coded) {
		if limited := a.limitStranger(ctx); limited != nil {
			return limited
		}
	}
	if err != nil {
		return err
	}
	if err := a.limitUser(user); err != nil {
		return err
	}
	c.user, c.token = user, token
	c.lang = languageOf(ctx.Request.Header.Peek(fasthttp.HeaderAcceptLanguage), c.user.Locale)
	return nil
}

// bearer is the user of a request's token, and its claims.
func (a *API) bearer(ctx *fasthttp.RequestCtx) (u schemas.User, c claims, err error) {
	scheme, token, _ := strings.Cut(string(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)), " ")
	if token = strings.TrimSpace(token); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return u, c, schemas.Fail(schemas.CodeUnauthorized, "")
	}
	c, key, err := a.tokens.check(a.tokens.access, token)
	if err == nil {
		u, err = a.userOf(key)
	}
	if err == nil && !c.speaksFor(u) {
		err = schemas.Fail(schemas.CodeBadToken, "")
	}
	return u, c, err
}

// userOf is the user of a token, whose Epoch is that of the tokens; 4012 when the
// user or the organisation is gone.
func (a *API) userOf(key userKey) (schemas.User, error) {
	now := time.Now()
	if u, ok := a.users.Get(key); ok && now.Before(u.until) {
		return u.User, nil
	}
	ctx, cancel := context.WithTimeout(a.base, a.cfg.RequestTimeout)
	defer cancel()
	u, err := a.Store.User(ctx, key.org, key.id)
	var coded *schemas.Error
	if errors.As(err, &coded) && coded.Code == schemas.CodeUserNotFound || err == nil && (u.Disabled || u.Org != key.org || u.ID != key.id) {
		return schemas.User{}, schemas.Because(schemas.CodeBadToken, err, "")
	}
	if err != nil {
		return schemas.User{}, fmt.Errorf("look up the user of a token: %w", err)
	}
	o, err := a.Store.Organisation(ctx, key.org)
	if err != nil {
		return schemas.User{}, fmt.Errorf("look up the organisation of a token: %w", err)
	}
	if o.Disabled {
		return schemas.User{}, schemas.Fail(schemas.CodeBadToken, "")
	}
	u.Epoch += o.Epoch
	a.users.Add(key, cachedUser{u, now.Add(cacheTime)})
	return u, nil
}

// begin makes the first tokens of a session of u, as the state has u; 4012 when the
// organisation was disabled while u came in: its next epoch is counted in already,
// and the tokens would be good again with it.
func (a *API) begin(ctx context.Context, u schemas.User, s session, now time.Time) (pair, error) {
	o, err := a.Store.Organisation(ctx, u.Org)
	if err != nil {
		return pair{}, err
	}
	if o.Disabled {
		return pair{}, schemas.Fail(schemas.CodeBadToken, "")
	}
	u.Epoch += o.Epoch
	return a.tokens.pair(u, s, now)
}

// changed makes this process see at once that a user was changed here; others
// see it within cacheTime.
func (a *API) changed(u schemas.User) { a.users.Remove(userKey{u.Org, u.ID}) }
