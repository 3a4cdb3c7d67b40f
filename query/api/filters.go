package api

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/ingest"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// filtersOf is the kind of one user's saved filters: each user has names and ids
// of its own.
func filtersOf(user schemas.User) string { return schemas.KindFilter + "." + idText(user.ID) }

type savedFilter struct {
	ID        int64           `json:"id"`
	Name      string          `json:"name"`
	Criteria  json.RawMessage `json:"criteria"`
	CreatedAt string          `json:"created_at"`
}

type filtersAnswer struct {
	Success   bool          `json:"success"`
	ErrorCode int64         `json:"error_code"`
	Count     int           `json:"count"`
	Filters   []savedFilter `json:"filters"`
}

// savedFilters answers GET /tasks/filters/list.
func (a *API) savedFilters(c *fiber.Ctx) error {
	user := callOf(c.Context()).user
	all, err := state.List[schemas.SavedFilter](c.UserContext(), a.Store, user.Org, filtersOf(user))
	if err != nil {
		return err
	}
	answer := filtersAnswer{Success: true, Count: len(all), Filters: []savedFilter{}}
	for _, f := range all {
		answer.Filters = append(answer.Filters, savedFilter{f.ID, f.Name, f.Criteria, f.CreatedAt.UTC().Format("2006-01-02T15:04:05")})
	}
	return a.ok(c, answer)
}

// saveFilter answers POST /tasks/filters/save: a new filter, or other criteria
// for the one of that name. Errors: 4001 for what /tasks/filter would not take,
// 4045.
func (a *API) saveFilter(c *fiber.Ctx) error {
	user := callOf(c.Context()).user
	var in struct {
		Name     *string         `json:"name"`
		Criteria json.RawMessage `json:"criteria"`
	}
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	name, err := line("name", in.Name, schemas.MaxName)
	if err != nil {
		return err
	}
	if len(in.Criteria) == 0 || isNull(in.Criteria) {
		return schemas.Fail(schemas.CodeFieldsMissing, "criteria")
	}
	var kept bytes.Buffer
	if err := json.Compact(&kept, in.Criteria); err != nil || kept.Len() > schemas.MaxCriteria {
		return schemas.Fail(schemas.CodeInvalid, "criteria: more than %d bytes", schemas.MaxCriteria)
	}
	if _, err := read.ParseCriteria(kept.Bytes()); err != nil {
		return err
	}
	kind := filtersOf(user)
	var f schemas.SavedFilter
	err = a.Store.InTurn(c.UserContext(), user.Org, kind, func(ctx context.Context) error {
		all, err := state.List[schemas.SavedFilter](ctx, a.Store, user.Org, kind)
		if err != nil {
			return err
		}
		save := func(ctx context.Context, id int64) error {
			f.ID, f.Criteria = id, kept.Bytes()
			return a.Door.Save(ctx, user.Org, kind, idText(id), f)
		}
		if i := filterNamed(all, name); i >= 0 {
			f = all[i]
			return save(ctx, f.ID)
		}
		if len(all) >= schemas.MaxFilters {
			return overLimit(schemas.T("saved filters"), schemas.MaxFilters)
		}
		f = schemas.SavedFilter{User: user.ID, Name: name, CreatedAt: time.Now().UTC().Truncate(time.Second)}
		_, _, err = a.Door.Create(ctx, ingest.Creation{Org: user.Org, Kind: kind, Name: name}, func(context.Context) error { return nil }, save)
		return err
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditSettings, schemas.KindFilter, f.ID)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Filter created or updated"))})
}

func filterNamed(all []schemas.SavedFilter, name string) int {
	return slices.IndexFunc(all, func(f schemas.SavedFilter) bool { return f.Name == name })
}

// deleteFilter answers POST /tasks/filters/delete/{id}: 4066, for another user's
// filter too.
func (a *API) deleteFilter(c *fiber.Ctx) error {
	user, id := callOf(c.Context()).user, pathID(c, "id")
	kind := filtersOf(user)
	err := a.Store.InTurn(c.UserContext(), user.Org, kind, func(ctx context.Context) error {
		f, err := state.Get[schemas.SavedFilter](ctx, a.Store, user.Org, kind, id)
		if err != nil {
			return err
		}
		if f == nil {
			return schemas.Fail(schemas.CodeNoFilter, "")
		}
		return a.Door.Remove(ctx, user.Org, kind, idText(id))
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditDelete, schemas.KindFilter, id)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Filter deleted"))})
}

// criteriaOf reads the criteria of a request; where a POST has some in its query
// too, the body's members go first. With saved_filter, a parameter of our own,
// those saved under that name are taken for what the request does not name itself;
// null or an empty value there takes a saved one back.
func (a *API) criteriaOf(c *fiber.Ctx) (read.Criteria, error) {
	var body []byte
	if c.Method() == fiber.MethodPost {
		body = c.Request().Body()
	}
	query := map[string][]string{}
	for key, value := range c.Context().QueryArgs().All() {
		query[string(key)] = append(query[string(key)], string(value))
	}
	members := map[string]json.RawMessage{}
	for key, values := range query { // a list in a query is repeated, CSV, or both
		text, err := json.Marshal(strings.Join(values, ","))
		if err != nil {
			return read.Criteria{}, err
		}
		members[key] = text
	}
	var saved scalar
	if len(bytes.TrimSpace(body)) > 0 && json.Unmarshal(body, &members) != nil || json.Unmarshal(members["saved_filter"], &saved) != nil || saved == "" {
		return read.ParseRequest(body, func(name string) []string { return query[name] })
	}
	return a.overSaved(c, string(saved), members)
}

func (a *API) overSaved(c *fiber.Ctx, name string, given map[string]json.RawMessage) (read.Criteria, error) {
	user := callOf(c.Context()).user
	all, err := state.List[schemas.SavedFilter](c.UserContext(), a.Store, user.Org, filtersOf(user))
	if err != nil {
		return read.Criteria{}, err
	}
	i := filterNamed(all, strings.Join(strings.Fields(name), " "))
	if i < 0 {
		return read.Criteria{}, schemas.Fail(schemas.CodeNoFilter, "")
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(all[i].Criteria, &members); err != nil {
		return read.Criteria{}, err
	}
	maps.Copy(members, given)
	body, err := json.Marshal(members)
	if err != nil {
		return read.Criteria{}, err
	}
	return read.ParseCriteria(body)
}
