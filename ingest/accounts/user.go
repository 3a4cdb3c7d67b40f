package accounts

import (
	"context"
	"crypto/rand"
	"errors"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// NewUser is what a user is made of. Without a password one is generated.
type NewUser struct {
	Org, Email, Role, Locale, Password string
}

// Roles and Locales are what a user may have.
var (
	Roles   = []string{schemas.RoleAdmin, schemas.RoleSupervisor, schemas.RoleAgent}
	Locales = []string{"en", "ru"}
)

// Email gives an address as it is stored, in lower case; ok is false for what is
// no address.
func Email(s string) (address string, ok bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	parsed, err := mail.ParseAddress(s)
	return s, err == nil && len(s) <= 254 && parsed.Address == s
}

// Bounds of a password that is not generated. Length is what makes it strong;
// rules about kinds of letters make people predictable (NIST SP 800-63B).
const (
	minPassword  = 12 // characters
	maxPassword  = 256
	minDifferent = 5 // characters
)

func checkPassword(password, email string) error {
	name, _, _ := strings.Cut(email, "@")
	low := strings.ToLower(password)
	different := map[rune]bool{}
	for _, r := range low {
		different[r] = true
	}
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || n < minPassword || n > maxPassword:
		return schemas.Fail(schemas.CodeBadPassword, "it must have %d to %d characters", minPassword, maxPassword)
	case len(different) < minDifferent:
		return schemas.Fail(schemas.CodeBadPassword, "it must have at least %d different characters", minDifferent)
	case strings.Contains(low, email) || len(name) > 3 && strings.Contains(low, name):
		return schemas.Fail(schemas.CodeBadPassword, "it must not contain the e-mail address")
	}
	return nil
}

// chosen checks a password, or generates one where there is none, and hashes it.
func (a *Accounts) chosen(ctx context.Context, password, email string) (hash, generated string, err error) {
	if password == "" {
		generated = rand.Text()
		password = generated
	} else if err := checkPassword(password, email); err != nil {
		return "", "", err
	}
	hash, err = a.hash(ctx, password)
	return hash, generated, err
}

func checkUser(u schemas.User) error {
	if !slices.Contains(Roles, u.Role) {
		return schemas.Fail(schemas.CodeUserInvalid, "role must be one of %s", strings.Join(Roles, ", "))
	}
	if !slices.Contains(Locales, u.Locale) {
		return schemas.Fail(schemas.CodeUserInvalid, "locale must be one of %s", strings.Join(Locales, ", "))
	}
	return nil
}

// CreateUser creates a user and gives the password if it had to make one up; it
// is kept nowhere. Role is agent, locale that of the organisation where they are
// not given. Errors: 4030 for what cannot be, 4031 for a weak password, 4032 for
// an address that somebody has, in whatever organisation.
func (a *Accounts) CreateUser(ctx context.Context, n NewUser) (u schemas.User, generated string, err error) {
	email, ok := Email(n.Email)
	if !ok {
		return u, "", schemas.Fail(schemas.CodeUserInvalid, "email is not an e-mail address")
	}
	o, err := a.Organisation(ctx, n.Org)
	if err != nil {
		return u, "", err
	}
	u = schemas.User{Org: n.Org, Email: email, Role: n.Role, Locale: n.Locale}
	if u.Role == "" {
		u.Role = schemas.RoleAgent
	}
	if u.Locale == "" {
		u.Locale = o.Locale
	}
	if err := checkUser(u); err != nil {
		return u, "", err
	}
	if u.PasswordHash, generated, err = a.chosen(ctx, n.Password, email); err != nil {
		return u, "", err
	}
	err = a.alone(ctx, func(ctx context.Context) error {
		request := ingest.Creation{Org: n.Org, Kind: schemas.KindUser, Name: email}
		_, _, err := a.door.Create(ctx, request, a.free(email), func(ctx context.Context, id int64) error {
			u.ID = id
			return a.putUser(ctx, u)
		})
		return err
	})
	return u, generated, err
}

// free refuses an address that a user has.
func (a *Accounts) free(email string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := a.store.UserByEmail(ctx, email)
		var coded *schemas.Error
		if errors.As(err, &coded) && coded.Code == schemas.CodeUserNotFound {
			return nil
		}
		if err == nil {
			err = schemas.Fail(schemas.CodeEmailTaken, "")
		}
		return err
	}
}

func (a *Accounts) putUser(ctx context.Context, u schemas.User) error {
	return a.put(ctx, u.Org, schemas.KindUser, strconv.FormatInt(u.ID, 10), u)
}

// Users gives the users of an organisation, by id.
func (a *Accounts) Users(ctx context.Context, org string) ([]schemas.User, error) {
	return state.List[schemas.User](ctx, a.store, org, schemas.KindUser)
}

// ByEmail finds a user of any organisation; 4033 when there is none.
func (a *Accounts) ByEmail(ctx context.Context, email string) (schemas.User, error) {
	return a.store.UserByEmail(ctx, strings.TrimSpace(email))
}

// UserChange is what may be changed of a user; nil stays as it is.
type UserChange struct {
	Role     *string `json:"role"`
	Locale   *string `json:"locale"`
	Disabled *bool   `json:"disabled"`
}

// ChangeUser changes a user. Whoever is disabled is out at once, and all tokens
// stay void when they are let in again. Errors: 4030 for what cannot be, also for
// taking an organisation its last administrator; 4033.
func (a *Accounts) ChangeUser(ctx context.Context, org string, id int64, c UserChange) (schemas.User, error) {
	return a.change(ctx, org, id, func(u *schemas.User) error {
		if c.Role != nil {
			u.Role = *c.Role
		}
		if c.Locale != nil {
			u.Locale = *c.Locale
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		if u.Disabled {
			endAll(u)
		}
		if err := checkUser(*u); err != nil {
			return err
		}
		if u.Disabled || u.Role != schemas.RoleAdmin {
			return a.anotherAdmin(ctx, *u)
		}
		return nil
	})
}

// anotherAdmin refuses when a user is the last who can administrate.
func (a *Accounts) anotherAdmin(ctx context.Context, u schemas.User) error {
	users, err := a.Users(ctx, u.Org)
	if err != nil {
		return err
	}
	was := false
	for _, other := range users {
		active := other.Role == schemas.RoleAdmin && !other.Disabled
		if active && other.ID != u.ID {
			return nil
		}
		was = was || active
	}
	if !was {
		return nil // there was none before, either
	}
	return schemas.Fail(schemas.CodeUserInvalid, "the organisation would have no administrator")
}

// SetPassword gives a user a new password, and ends all of the user's tokens. It
// gives the password if it had to make one up. Errors: 4031, 4033.
func (a *Accounts) SetPassword(ctx context.Context, org string, id int64, password string) (u schemas.User, generated string, err error) {
	if u, err = a.store.User(ctx, org, id); err != nil {
		return u, "", err
	}
	hash, generated, err := a.chosen(ctx, password, u.Email)
	if err != nil {
		return u, "", err
	}
	u, err = a.change(ctx, org, id, func(u *schemas.User) error {
		u.PasswordHash = hash
		endAll(u)
		return nil
	})
	return u, generated, err
}

// maxEnded bounds the sessions that a user remembers as ended; with more, all of
// the user's sessions end.
const maxEnded = 100

// EndSession ends the tokens of one session, which would run out at until; with
// session "" it ends all tokens of the user. Errors: 4033.
func (a *Accounts) EndSession(ctx context.Context, org string, id int64, session string, until time.Time) (schemas.User, error) {
	return a.change(ctx, org, id, func(u *schemas.User) error {
		now := time.Now()
		ended := map[string]int64{session: until.Unix()}
		for name, end := range u.Ended {
			if now.Before(time.Unix(end, 0).Add(time.Minute)) { // clocks differ
				ended[name] = end
			}
		}
		if u.Ended = ended; session == "" || len(ended) > maxEnded {
			endAll(u)
		}
		return nil
	})
}

func endAll(u *schemas.User) {
	u.Epoch++
	u.Ended = nil
}

// change changes a user while nobody else does.
func (a *Accounts) change(ctx context.Context, org string, id int64, do func(*schemas.User) error) (u schemas.User, err error) {
	err = a.alone(ctx, func(ctx context.Context) error {
		if u, err = a.store.User(ctx, org, id); err != nil {
			return err
		}
		if err := do(&u); err != nil {
			return err
		}
		return a.putUser(ctx, u)
	})
	return u, err
}

// cleanName is a name of people's own choosing, on one line.
func cleanName(name string) (string, error) {
	const most = 200
	clean := ingest.CleanLine(name, len(name))
	if clean == "" || utf8.RuneCountInString(clean) > most {
		return "", schemas.Fail(schemas.CodeUserInvalid, "a name has 1 to %d characters", most)
	}
	return clean, nil
}
