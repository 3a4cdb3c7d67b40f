package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/ingest/accounts"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

type loginRequest struct {
	Email        string `json:"email"`
	PasswordHash string `json:"password_hash"` // lower-case hex SHA-256 of the password
	Captcha      string `json:"captcha_token"` // looked at where a provider is configured
}

type loginAnswer struct {
	Message   string `json:"message"`
	ErrorCode int64  `json:"error_code"`
	pair
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
// Errors: 4001 4002 4023 4035 4290 5030.
func (a *API) login(c *fiber.Ctx) error {
	if err := a.limitStranger(c.Context()); err != nil {
		return err
	}
	in, err := readLogin(c)
	if err != nil {
		return err
	}
	if err := a.captcha.verify(c.UserContext(), in.Captcha, a.addressOf(c.Context())); err != nil {
		if isCode(err, schemas.CodeCaptcha) {
			a.auditAs(c, schemas.User{Email: in.Email}, schemas.AuditCaptchaFailed, "")
		}
		return err
	}
	user, err := a.verify(c, in.Email, in.PasswordHash)
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
	a.audit(c, schemas.AuditLogin, "")
	c.Set(fiber.HeaderCacheControl, "no-store") // it holds a token
	return a.ok(c, answer)
}

func readLogin(c *fiber.Ctx) (in loginRequest, err error) {
	if err := parseJSON(c, &in); err != nil {
		return in, err
	}
	email, valid := accounts.Email(in.Email)
	in.Email, in.PasswordHash = email, strings.ToLower(in.PasswordHash)
	switch {
	case in.Email == "":
		return in, schemas.Fail(schemas.CodeMissing, "email")
	case in.PasswordHash == "":
		return in, schemas.Fail(schemas.CodeMissing, "password_hash")
	case !valid:
		return in, schemas.Fail(schemas.CodeInvalid, "email is not an e-mail address")
	}
	return in, checkHash(in.PasswordHash)
}

func checkHash(hash string) error {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != sha256.Size {
		return schemas.Fail(schemas.CodeInvalid, "password_hash must be the SHA-256 of the password, 64 hexadecimal digits")
	}
	return nil
}

// perAddress is how many times as many failures as an account an address may
// have: it may be an office with many people.
const perAddress = 5

// verify gives the user, or 4023, the same for an unknown account, a disabled
// one and a wrong password; 4290 after too many failures, in all processes
// together.
func (a *API) verify(c *fiber.Ctx, email, hash string) (schemas.User, error) {
	ctx := c.UserContext()
	account, address := "account "+email, "address "+network(a.addressOf(c.Context()))
	wait, err := a.Store.Attempt(ctx, a.cfg.LoginLock, state.Attempts{Name: account, Limit: a.cfg.LoginFailures},
		state.Attempts{Name: address, Limit: perAddress * a.cfg.LoginFailures})
	if err != nil {
		return schemas.User{}, err
	}
	if wait > 0 {
		a.auditAs(c, schemas.User{Email: email}, schemas.AuditLoginLocked, "")
		return schemas.User{}, tooMany(wait, schemas.T("too many failed logins"))
	}
	user, right, err := a.compare(ctx, email, hash)
	switch {
	case err != nil: // not checked: it counts for nothing
		return user, errors.Join(err, a.Store.TakeBack(context.WithoutCancel(ctx), account, address))
	case !right:
		user.Email = email
		a.auditAs(c, user, schemas.AuditLoginFailed, "")
		return schemas.User{}, schemas.Fail(schemas.CodeUnauthorized, "wrong e-mail address or password")
	}
	return user, errors.Join(a.Store.TakeBack(ctx, address), a.Store.ForgetAttempts(ctx, account))
}

// compare says whether hash is the password of the account; of one that may not
// come in, it is not. user has ID 0 when there is none.
func (a *API) compare(ctx context.Context, email, hash string) (user schemas.User, right bool, err error) {
	user, err = a.Store.UserByEmail(ctx, email)
	if err != nil && !isCode(err, schemas.CodeUserNotFound) {
		return user, false, err
	}
	may := user
	if user.ID != 0 {
		o, err := a.Store.Organisation(ctx, user.Org)
		if err != nil {
			return user, false, err
		}
		if user.Disabled || o.Disabled {
			may = schemas.User{}
		}
	}
	right, err = a.Accounts.Right(ctx, may, hash)
	return user, right, err
}

// readTime is how long login waits for ClickHouse. Without it a client still
// gets in, with no last tasks: submitting does not need ClickHouse.
const readTime = 2 * time.Second

func (a *API) welcome(ctx context.Context, user schemas.User, lang string) (*loginAnswer, error) {
	now := time.Now()
	tokens, err := a.begin(ctx, user, a.tokens.newSession(now), now)
	if err != nil {
		return nil, err
	}
	out := &loginAnswer{Message: schemas.T("Login successful").In(lang), pair: tokens, Locale: user.Locale, UserID: user.ID, Email: user.Email,
		LastTasks: []lastTask{}, ActivityTree: map[string]map[string]map[string]uint64{}}
	quota, err := a.Store.Quota(ctx, user.Org)
	switch {
	case err == nil:
		out.Tariff = newLoginTariff(quota, now)
	case !isCode(err, schemas.CodeNoPlan): // without a plan the tariff is null
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
