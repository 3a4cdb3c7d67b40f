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

	"earshot/schemas"
)

// Claims of our tokens.
const (
	issuer    = "earshot"
	audience  = "earshot-api"
	leeway    = 30 * time.Second // of clocks that differ
	minSecret = 32               // bytes; HS256 needs a key as long as its digest (RFC 7518 section 3.2)
)

// claims of a token: Subject is the user id, Org the organisation.
type claims struct {
	Org string `json:"org"`
	jwt.RegisteredClaims
}

// tokens makes and checks login tokens.
type tokens struct {
	secret []byte
	ttl    time.Duration
	parser *jwt.Parser
}

func newTokens(secret string, ttl time.Duration) tokens {
	return tokens{[]byte(secret), ttl, jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithLeeway(leeway))}
}

func (t tokens) issue(u schemas.User, now time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{u.Org, jwt.RegisteredClaims{
		ID: uuid.NewString(), Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: strconv.FormatInt(u.ID, 10),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(t.ttl)),
	}}).SignedString(t.secret)
}

// check gives the user a token speaks for. Which check failed is not told.
func (t tokens) check(token string) (key userKey, err error) {
	var c claims
	_, err = t.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return t.secret, nil })
	if err == nil {
		key.org = c.Org
		key.id, err = strconv.ParseInt(c.Subject, 10, 64)
	}
	if err != nil || key.org == "" {
		return userKey{}, schemas.Because(schemas.CodeBadToken, err, "")
	}
	return key, nil
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
// bad one or one of a user who is gone.
func (a *API) identify(ctx *fasthttp.RequestCtx) error {
	c := callOf(ctx)
	if c.user.ID != 0 {
		return nil
	}
	scheme, token, _ := strings.Cut(string(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)), " ")
	if token = strings.TrimSpace(token); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return schemas.Fail(schemas.CodeUnauthorized, "")
	}
	key, err := a.tokens.check(token)
	if err != nil {
		return err
	}
	if c.user, err = a.userOf(key); err != nil {
		return err
	}
	c.lang = languageOf(ctx.Request.Header.Peek(fasthttp.HeaderAcceptLanguage), c.user.Locale)
	return nil
}

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
	a.users.Add(key, cachedUser{u, now.Add(cacheTime)})
	return u, nil
}
