package api

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// settingsRoutes serves what an organisation may set (seed sections 5 to 9) and
// the analysis of the past with it. One organisation owns everything: what the
// seed calls the user's is the organisation's, but for saved filters. An agent,
// who works with conversations, changes nothing that is everybody's.
func (a *API) settingsRoutes(app *fiber.App) {
	app.Get("/checklist", a.authenticated, a.checklists)
	app.Get("/checklist/:user_id", a.authenticated, a.checklistsOf)
	app.Post("/checklist", a.authenticated, mayChange, a.addQuestion)
	app.Post("/checklist/:id", a.authenticated, mayChange, a.editQuestion)
	app.Post("/checklist/delete/:id", a.authenticated, mayChange, a.deleteQuestion)
	app.Get("/checklist/answer/:task_id", a.authenticated, a.checklistAnswers)
	app.Post("/checklist/answer/:task_id", a.authenticated, mayChange, a.setAnswers)

	app.Get("/user/directories", a.authenticated, a.directories)
	app.Post("/user/directories", a.authenticated, mayChange, a.addDirectory)
	app.Delete("/user/directories/delete/:id", a.authenticated, mayChange, a.deleteDirectory)

	app.Post("/user/call_categories/list", a.authenticated, a.categories)
	app.Post("/user/call_categories/create", a.authenticated, mayChange, a.addCategory)
	app.Post("/user/call_categories/edit/:id", a.authenticated, mayChange, a.editCategory)
	app.Post("/user/call_categories/delete/:id", a.authenticated, mayChange, a.deleteCategory)

	app.Post("/tasks/filters/save", a.authenticated, a.saveFilter)
	app.Get("/tasks/filters/list", a.authenticated, a.savedFilters)
	app.Post("/tasks/filters/delete/:id", a.authenticated, a.deleteFilter)

	app.Post("/user/call_check_scripts/list", a.authenticated, a.scripts)
	app.Get("/user/call_check_scripts/:id/versions", a.authenticated, a.scriptVersions)
	app.Post("/user/call_check_scripts/create", a.authenticated, mayChange, a.addScript)
	app.Post("/user/call_check_scripts/edit/:id", a.authenticated, mayChange, a.editScript)
	app.Post("/user/call_check_scripts/delete/:id", a.authenticated, mayChange, a.deleteScript)

	app.Post("/api/calls_analysis_v2/:task_code/reanalyze", a.authenticated, mayChange, a.reanalyze)
	app.Post("/tasks/reanalyze", a.authenticated, mayChange, a.reanalyzeAll)
}

// mayChange lets on who may change what is everybody's: those named here, so
// that a role nobody has heard of yet may not.
func mayChange(c *fiber.Ctx) error {
	switch callOf(c.Context()).user.Role {
	case schemas.RoleAdmin, schemas.RoleSupervisor:
		return c.Next()
	}
	return schemas.Fail(schemas.CodeAccessDenied, "")
}

// create makes a setting in turn with whatever else changes its kind, and once:
// the same request again, with its Idempotency-Key or after a 503, makes no second
// one. name is what there may be only one of; may says whether this one may be
// made, and save saves it. Errors: theirs, 4220, 4001 for a bad key, and 4220 for
// a key whose setting was deleted since.
func create[T any](a *API, c *fiber.Ctx, kind, name string, may func(context.Context) error, save func(context.Context, int64) (T, error)) (out T, err error) {
	key, err := idempotencyKey(c.Context())
	if err != nil {
		return out, err
	}
	org := callOf(c.Context()).user.Org
	request := ingest.Creation{Org: org, Kind: kind, Key: key, Name: name, Request: c.Request().Body()}
	err = a.Store.InTurn(c.UserContext(), org, kind, func(ctx context.Context) error {
		id, made, err := a.Door.Create(ctx, request, may, func(ctx context.Context, id int64) (err error) {
			out, err = save(ctx, id)
			return err
		})
		if err != nil {
			return err
		}
		if !made {
			a.auditSetting(c, schemas.AuditSettings, kind, id)
			return nil
		}
		found, err := state.Get[T](ctx, a.Store, org, kind, id)
		switch {
		case err != nil:
			return err
		case found == nil:
			return schemas.Fail(schemas.CodeKeyReused, "what it created was deleted")
		}
		out = *found
		return nil
	})
	return out, err
}

// done is an answer that says no more than that all went well.
type done struct {
	Success   bool   `json:"success"`
	ErrorCode int64  `json:"error_code"`
	Message   string `json:"message"`
	ID        int64  `json:"id,omitempty"`
}

// saved is the answer of create and edit in sections 7 and 9.
type saved struct {
	Success   bool   `json:"success"`
	ErrorCode int64  `json:"error_code"`
	Message   string `json:"success_message"`
	Data      any    `json:"data"`
}

// said gives a message of success in the caller's language.
func said(c *fiber.Ctx, message schemas.Text) string { return message.In(callOf(c.Context()).lang) }

// pathID is an id in the path; 0, which nothing has, for what is none.
func pathID(c *fiber.Ctx, name string) int64 {
	id, err := strconv.ParseInt(c.Params(name), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// ownID is the id in the path, or the one in the body where there is one (seed:
// "overrides id from the URL").
func ownID(c *fiber.Ctx, name string, inBody scalar) (int64, error) {
	if inBody == "" {
		return pathID(c, "id"), nil
	}
	return whole(name, inBody, 0, 0, math.MaxInt64)
}

// whole reads a whole number from low to high; fallback when it is not given.
func whole(name string, s scalar, fallback, low, high int64) (int64, error) {
	text := schemas.Integral(string(s))
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, schemas.Fail(schemas.CodeInvalid, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

// parseOptional is parseJSON for a body that may be missing.
func parseOptional(c *fiber.Ctx, into any) error {
	if len(bytes.TrimSpace(c.Request().Body())) == 0 {
		return nil
	}
	return parseJSON(c, into)
}

// line is a required text of one line.
func line(name string, given *string, most int) (string, error) {
	if given == nil {
		return "", schemas.Fail(schemas.CodeFieldsMissing, "%s", name)
	}
	text, err := bounded(name, strings.Join(strings.Fields(ingest.CleanLine(*given, len(*given))), " "), most)
	if err == nil && text == "" {
		err = schemas.Fail(schemas.CodeFieldsMissing, "%s", name)
	}
	return text, err
}

// text is a text that may have several lines, or none.
func text(name string, given *string, most int) (string, error) {
	if given == nil {
		return "", nil
	}
	return bounded(name, strings.TrimSpace(ingest.Clean(*given)), most)
}

// bounded refuses what is longer than allowed: cutting it would keep something
// else than was meant.
func bounded(name, s string, most int) (string, error) {
	if len(s) > most {
		return "", schemas.Fail(schemas.CodeInvalid, "%s has %d characters and is longer than %d bytes", name, utf8.RuneCountInString(s), most)
	}
	return s, nil
}

func overLimit(what schemas.Text, most int) error {
	return schemas.Fail(schemas.CodeInvalid, "there may be at most %d %s", most, what)
}

// alike compares names as people do: е is ё, and case means nothing.
func alike(a, b string) bool { return plain(a) == plain(b) }

func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ё", "е") }

// search are the parameters that the lists of sections 7 and 9 share.
type search struct {
	Query   scalar `json:"q"`
	Page    scalar `json:"page"`
	PerPage scalar `json:"per_page"`
}

// Pages of a list of settings.
const (
	perPage     = 20
	perPageMost = 1000
)

// page is one page of a list.
type page[T any] struct {
	Success   bool  `json:"success"`
	ErrorCode int64 `json:"error_code"`
	Items     []T   `json:"items"`
	Total     int   `json:"total"`
	Page      int64 `json:"page"`
	PerPage   int64 `json:"per_page"`
}

// pageOf cuts the page that was asked for out of all items.
func pageOf[T any](s search, all []T) (p page[T], err error) {
	p = page[T]{Success: true, Items: []T{}, Total: len(all)}
	if p.Page, err = whole("page", s.Page, 1, 1, math.MaxInt32); err != nil {
		return p, err
	}
	if p.PerPage, err = whole("per_page", s.PerPage, perPage, 1, perPageMost); err != nil {
		return p, err
	}
	if from := (p.Page - 1) * p.PerPage; from < int64(len(all)) {
		p.Items = all[from:min(from+p.PerPage, int64(len(all)))]
	}
	return p, nil
}

// finds says whether what was searched for is part of one of the texts.
func (s search) finds(texts ...string) bool {
	q := plain(strings.TrimSpace(string(s.Query)))
	return strings.Contains(plain(strings.Join(texts, "\n")), q)
}

// isNull tells a member that is null from one that is not there.
func isNull(raw json.RawMessage) bool { return bytes.Equal(raw, []byte("null")) }

func idText(id int64) string { return strconv.FormatInt(id, 10) }
