package api

import (
	"fmt"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"earshot/ingest/accounts"
	"earshot/schemas"
)

// accountRoutes are sections 1, 2 and 12 of the seed, and of ours what manages
// accounts.
func (a *API) accountRoutes(app *fiber.App) {
	app.Post("/auth/login", a.login)
	app.Post("/auth/refresh", a.refresh)
	app.Post("/auth/logout", a.authenticated, a.logout)
	app.Post("/auth/password", a.authenticated, a.changePassword)
	app.Get("/user/tariff", a.authenticated, a.tariff)
	app.Get("/plans", a.authenticated, a.plans)
	app.Get("/admin/users", a.authenticated, a.administrator, a.listUsers)
	app.Post("/admin/users", a.authenticated, a.administrator, a.createUser)
	app.Patch("/admin/users/:id", a.authenticated, a.administrator, a.changeUser)
	app.Post("/admin/users/:id/password", a.authenticated, a.administrator, a.setPassword)
}

// administrator lets only administrators on; 4056 for others.
func (a *API) administrator(c *fiber.Ctx) error {
	if callOf(c.Context()).user.Role != schemas.RoleAdmin {
		return schemas.Fail(schemas.CodeAccessDenied, "")
	}
	return c.Next()
}

// userRow is a user as administrators see one.
type userRow struct {
	ID       int64  `json:"id"`
	Email    string `json:"email"`
	Role     string `json:"role"` // admin, supervisor or agent
	Locale   string `json:"locale"`
	Disabled bool   `json:"disabled"`
}

func rowOf(u schemas.User) userRow {
	return userRow{u.ID, u.Email, u.Role, u.Locale, u.Disabled}
}

func userObject(u schemas.User) string { return fmt.Sprintf("user/%d", u.ID) }

type userAnswer struct {
	Success   bool    `json:"success"`
	ErrorCode int64   `json:"error_code"`
	User      userRow `json:"user"`
	Password  string  `json:"password,omitempty"` // one that was generated: it is shown here and never again
}

type usersAnswer struct {
	Success   bool      `json:"success"`
	ErrorCode int64     `json:"error_code"`
	Users     []userRow `json:"users"`
}

// listUsers answers GET /admin/users with the organisation's users, by id.
func (a *API) listUsers(c *fiber.Ctx) error {
	users, err := a.Accounts.Users(c.UserContext(), callOf(c.Context()).user.Org)
	if err != nil {
		return err
	}
	out := usersAnswer{Success: true, Users: make([]userRow, len(users))}
	for i, u := range users {
		out.Users[i] = rowOf(u)
	}
	return a.ok(c, out)
}

// createUser answers POST /admin/users with {"email", "role", "locale",
// "password"}. Role is agent and locale that of the organisation where they are
// not given; without a password one is generated and answered, once. Errors:
// 4001 4002 4030 4031 4032 4056.
func (a *API) createUser(c *fiber.Ctx) error {
	var in struct {
		Email    string `json:"email"`
		Role     string `json:"role"`
		Locale   string `json:"locale"`
		Password string `json:"password"`
	}
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Email == "" {
		return schemas.Fail(schemas.CodeMissing, "email")
	}
	user, generated, err := a.Accounts.CreateUser(c.UserContext(), accounts.NewUser{Org: callOf(c.Context()).user.Org, Email: in.Email, Role: in.Role, Locale: in.Locale, Password: in.Password})
	if err != nil {
		return err
	}
	a.audit(c, schemas.AuditUserCreated, userObject(user))
	return a.okUser(c, user, generated)
}

func (a *API) okUser(c *fiber.Ctx, u schemas.User, generated string) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return a.ok(c, userAnswer{Success: true, User: rowOf(u), Password: generated})
}

// changeUser answers PATCH /admin/users/{id} with any of {"role", "locale",
// "disabled"}. Errors: 4001 4030 (also for the last administrator) 4033 4056.
func (a *API) changeUser(c *fiber.Ctx) error {
	var in accounts.UserChange
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	id, err := userID(c)
	if err != nil {
		return err
	}
	user, err := a.Accounts.ChangeUser(c.UserContext(), callOf(c.Context()).user.Org, id, in)
	if err != nil {
		return err
	}
	a.changed(user)
	a.audit(c, schemas.AuditUserChanged, userObject(user))
	return a.okUser(c, user, "")
}

// setPassword answers POST /admin/users/{id}/password with {"password"}; without
// one it is generated and answered, once. All tokens of the user end. Errors:
// 4001 4031 4033 4056.
func (a *API) setPassword(c *fiber.Ctx) error {
	var in struct {
		Password string `json:"password"`
	}
	if len(c.Request().Body()) > 0 {
		if err := parseJSON(c, &in); err != nil {
			return err
		}
	}
	id, err := userID(c)
	if err != nil {
		return err
	}
	user, generated, err := a.Accounts.SetPassword(c.UserContext(), callOf(c.Context()).user.Org, id, in.Password)
	if err != nil {
		return err
	}
	a.changed(user)
	a.audit(c, schemas.AuditPassword, userObject(user))
	return a.okUser(c, user, generated)
}

// userID reads the path; what is no number is nobody.
func userID(c *fiber.Ctx) (int64, error) {
	id, err := strconv.ParseInt(c.Params("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, schemas.Fail(schemas.CodeUserNotFound, "")
	}
	return id, nil
}
