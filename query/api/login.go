package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/gofiber/fiber/v2"

	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

type loginRequest struct {
	Email        string `json:"email"`
	PasswordHash string `json:"password_hash"` // lower-case hex SHA-256 of the password
	Captcha      string `json:"captcha_token"` // taken and not looked at: no provider is configured
}

type loginAnswer struct {
	Message      string                                  `json:"message"`
	ErrorCode    int64                                   `json:"error_code"`
	Token        string                                  `json:"token"`
	Locale       string                                  `json:"locale"`
	UserID       int64                                   `json:"user_id"`
	Email        string                                  `json:"email"`
	Tariff       *loginTariff                            `json:"tariff"`
	Directories  []schemas.Directory                     `json:"directories"`
	LastTasks    []lastTask                              `json:"last_tasks"`
	ActivityTree map[string]map[string]map[string]uint64 `json:"call_activity_tree"`
}

type lastTask struct {
	DirectoryID *int64  `json:"directory_id"`
	Status      string  `json:"status"`
	ID          string  `json:"id"` // the task code
	CreatedAt   string  `json:"created_at"`
	FilePath    string  `json:"file_path"` // the file's name
	TaskLength  float64 `json:"task_length"`
}

// login checks an account and gives a token, with what a client shows first.
func (a *API) login(c *fiber.Ctx) error {
	var in loginRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	email := strings.ToLower(strings.TrimSpace(in.Email))
	hash := strings.ToLower(in.PasswordHash)
	for name, value := range map[string]string{"email": email, "password_hash": hash} {
		if value == "" {
			return schemas.Fail(schemas.CodeMissing, "%s", name)
		}
	}
	if !isEmail(email) {
		return schemas.Fail(schemas.CodeInvalid, "email is not an e-mail address")
	}
	if b, err := hex.DecodeString(hash); err != nil || len(b) != 32 {
		return schemas.Fail(schemas.CodeInvalid, "password_hash must be the SHA-256 of the password, 64 hexadecimal digits")
	}
	user, err := a.verify(c.UserContext(), email, hash, network(c.IP()))
	if err != nil {
		return err
	}
	call := callOf(c.Context())
	call.user = user
	call.lang = languageOf(c.Request().Header.Peek(fiber.HeaderAcceptLanguage), user.Locale)
	answer, err := a.welcome(c.UserContext(), user, call.lang)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-store") // it holds a token
	return a.ok(c, answer)
}

func isEmail(s string) bool {
	address, err := mail.ParseAddress(s)
	return err == nil && len(s) <= 254 && address.Address == s
}

// hashesAtOnce bounds the memory of argon2id (64 MB each) and the cores it may
// take from everybody else.
const hashesAtOnce = 2

// unknownUser is checked when there is no such account, so that the time of an
// answer does not tell who has one.
var unknownUser = sync.OnceValues(func() (string, error) {
	return argon2id.CreateHash("nobody", argon2id.DefaultParams)
})

// verify gives the user, or 4023, the same for an unknown account, a disabled
// one and a wrong password; 4290 after too many failures.
func (a *API) verify(ctx context.Context, email, hash, address string) (schemas.User, error) {
	if wait := a.logins.attempt(email, address); wait > 0 {
		return schemas.User{}, &statusError{retry: int(math.Ceil(wait.Seconds())), err: schemas.Fail(schemas.CodeTooMany, "too many failed logins")}
	}
	user, right, err := a.compare(ctx, email, hash)
	if err != nil || right {
		a.logins.forget(email, address, right)
	}
	if err == nil && !right {
		err = schemas.Fail(schemas.CodeUnauthorized, "wrong e-mail address or password")
	}
	return user, err
}

func (a *API) compare(ctx context.Context, email, hash string) (user schemas.User, right bool, err error) {
	stored := ""
	user, err = a.Store.UserByEmail(ctx, email)
	var coded *schemas.Error
	switch unknown := errors.As(err, &coded) && coded.Code == schemas.CodeUserNotFound; {
	case err == nil && !user.Disabled:
		stored = user.PasswordHash
	case err != nil && !unknown:
		return user, false, err
	default:
		if stored, err = unknownUser(); err != nil {
			return user, false, err
		}
		user = schemas.User{}
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return user, false, ctx.Err()
	}
	right, err = argon2id.ComparePasswordAndHash(hash, stored)
	return user, right && user.ID != 0, err
}

// readTime is how long login waits for ClickHouse. Without it a client still
// gets in, with no last tasks: submitting does not need ClickHouse.
const readTime = 2 * time.Second

func (a *API) welcome(ctx context.Context, user schemas.User, lang string) (*loginAnswer, error) {
	token, err := a.tokens.issue(user, time.Now())
	if err != nil {
		return nil, err
	}
	out := &loginAnswer{Message: schemas.T("Login successful").In(lang), Token: token, Locale: user.Locale, UserID: user.ID, Email: user.Email,
		LastTasks: []lastTask{}, ActivityTree: map[string]map[string]map[string]uint64{}}
	quota, err := a.Store.Quota(ctx, user.Org)
	var coded *schemas.Error
	switch {
	case err == nil:
		out.Tariff = newLoginTariff(quota, time.Now())
	case !errors.As(err, &coded) || coded.Code != schemas.CodeNoPlan: // without a plan the tariff is null
		return nil, err
	}
	if out.Directories, err = state.List[schemas.Directory](ctx, a.Store, user.Org, schemas.KindDirectory); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, err := a.Reader.LastTasks(ctx, user.Org, 5)
	if err == nil {
		out.LastTasks = lastTasks(rows)
		var tree map[string]map[string]map[string]uint64
		if tree, err = a.Reader.Activity(ctx, user.Org); err == nil {
			out.ActivityTree = tree
		}
	}
	if err != nil {
		a.Log.Warn("login without last tasks and activity", "error", err)
	}
	return out, nil
}

func lastTasks(rows []read.TaskRow) []lastTask {
	out := make([]lastTask, len(rows))
	for i, r := range rows {
		out[i] = lastTask{optional(r.DirectoryID), r.Status, r.Code, precise(r.CreatedAt), r.FileName, r.Length}
	}
	return out
}

// parseJSON reads a body that must be a JSON object; 4001 names the field.
func parseJSON(c *fiber.Ctx, into any) error {
	err := json.Unmarshal(c.Request().Body(), into)
	var wrong *json.UnmarshalTypeError
	var coded *schemas.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return coded
	case errors.As(err, &wrong) && wrong.Field != "":
		return schemas.Because(schemas.CodeInvalid, err, "%s cannot be a JSON %s", wrong.Field, wrong.Value)
	}
	return schemas.Because(schemas.CodeInvalid, err, "the body must be a JSON object")
}
