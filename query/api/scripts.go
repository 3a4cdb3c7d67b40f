package api

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
	"earshot/sinks/state"
)

type script struct {
	ID          int64   `json:"id"`
	Identifier  string  `json:"identifier"`
	Title       string  `json:"title"`
	Description *string `json:"description"`
	Active      bool    `json:"is_active"`
	Version     int64   `json:"version"`
	Body        string  `json:"script_body"`
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
}

func newScripts(all []schemas.Script) []script {
	out := []script{}
	for _, s := range all {
		out = append(out, script{s.ID, s.Identifier, s.Title, optional(s.Description), s.Active, s.Version, s.Body,
			s.CreatedAt.UTC().Format(time.RFC3339), s.UpdatedAt.UTC().Format(time.RFC3339)})
	}
	return out
}

func (a *API) allScripts(ctx context.Context, org string) ([]schemas.Script, error) {
	return state.List[schemas.Script](ctx, a.Store, org, schemas.KindScript)
}

// versionsOf is the kind of the versions of one script.
func versionsOf(id int64) string { return schemas.KindScriptVersion + "." + idText(id) }

// scripts answers POST /user/call_check_scripts/list. Error: 4001.
func (a *API) scripts(c *fiber.Ctx) error {
	var in struct {
		search
		OnlyActive boolean `json:"only_active"`
	}
	if err := parseOptional(c, &in); err != nil {
		return err
	}
	all, err := a.allScripts(c.UserContext(), callOf(c.Context()).user.Org)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s schemas.Script) bool {
		return bool(in.OnlyActive) && !s.Active || !in.finds(s.Identifier, s.Title)
	})
	answer, err := pageOf(in.search, newScripts(all))
	if err != nil {
		return err
	}
	return a.ok(c, answer)
}

// boolean is a JSON bool, or what clients write for one: 1, "yes", "true".
type boolean bool

// UnmarshalJSON takes true, 1 and "yes", false, 0 and "no", "" and null.
func (f *boolean) UnmarshalJSON(data []byte) error {
	switch strings.ToLower(strings.Trim(string(data), `"`)) {
	case "true", "1", "yes":
		*f = true
	case "false", "0", "no", "null", "":
		*f = false
	default:
		return schemas.Fail(schemas.CodeInvalid, "%.40q is neither true nor false", data)
	}
	return nil
}

// scriptVersions answers GET /user/call_check_scripts/{id}/versions?page=&per_page=,
// an endpoint of our own: the versions of a script, the newest first, also of one
// that was deleted, since analyses name them. Errors: 4001, 4053.
func (a *API) scriptVersions(c *fiber.Ctx) error {
	all, err := state.List[schemas.Script](c.UserContext(), a.Store, callOf(c.Context()).user.Org, versionsOf(pathID(c, "id")))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return schemas.Fail(schemas.CodeNoRecord, "")
	}
	slices.Reverse(all)
	answer, err := pageOf(search{Page: scalar(c.Query("page")), PerPage: scalar(c.Query("per_page"))}, newScripts(all))
	if err != nil {
		return err
	}
	return a.ok(c, answer)
}

type scriptRequest struct {
	ID          scalar   `json:"script_id"`
	Identifier  *string  `json:"identifier"`
	Title       *string  `json:"title"`
	Description *string  `json:"description"`
	Active      *boolean `json:"is_active"`
	Version     scalar   `json:"version"`
	Body        *string  `json:"script_body"`
}

// Highest version of a script.
const versionMost = math.MaxInt32

// into changes what the request names, but for the version.
func (in scriptRequest) into(s *schemas.Script) (err error) {
	if in.Identifier != nil {
		if s.Identifier, err = line("identifier", in.Identifier, schemas.MaxName); err != nil {
			return err
		}
	}
	if in.Title != nil {
		if s.Title, err = line("title", in.Title, schemas.MaxName); err != nil {
			return err
		}
	}
	if in.Description != nil {
		if s.Description, err = text("description", in.Description, schemas.MaxDescription); err != nil {
			return err
		}
	}
	if in.Active != nil {
		s.Active = bool(*in.Active)
	}
	if in.Body == nil {
		return nil
	}
	s.Body, err = text("script_body", in.Body, schemas.MaxScriptBody)
	if err == nil && s.Body == "" {
		err = schemas.Fail(schemas.CodeFieldsMissing, "script_body")
	}
	return err
}

// version is that of the script after a change. A version names one text, for
// ever: another text has another version, a higher one, whether the client says
// so or sends the version that it had read.
func (in scriptRequest) version(before, after schemas.Script) (int64, error) {
	given, err := whole("version", in.Version, 0, 1, versionMost)
	switch {
	case err != nil:
		return 0, err
	case given > before.Version:
		return given, nil
	case given > 0 && given < before.Version:
		return 0, schemas.Fail(schemas.CodeInvalid, "version %d is older than the script's, which is %d", given, before.Version)
	case after.Body != before.Body && before.Version >= versionMost:
		return 0, schemas.Fail(schemas.CodeInvalid, "version: there is none after %d", before.Version)
	case after.Body != before.Body:
		return before.Version + 1, nil
	}
	return before.Version, nil
}

// mayStand says whether a script may be among the others.
func mayStand(all []schemas.Script, s schemas.Script) error {
	active := 0
	for _, other := range all {
		if other.ID == s.ID {
			continue
		}
		if other.Identifier == s.Identifier {
			return schemas.Fail(schemas.CodeInvalid, "script %d has the identifier %q already", other.ID, s.Identifier)
		}
		if other.Active {
			active++
		}
	}
	if s.Active && active >= schemas.MaxActiveScripts {
		return overLimit(schemas.T("active scripts"), schemas.MaxActiveScripts)
	}
	return nil
}

// addScript answers POST /user/call_check_scripts/create: 4001, also for an
// identifier that another script has, 4045, 4220.
func (a *API) addScript(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in scriptRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	for name, given := range map[string]*string{"identifier": in.Identifier, "title": in.Title, "script_body": in.Body} {
		if given == nil {
			return schemas.Fail(schemas.CodeFieldsMissing, "%s", name)
		}
	}
	s := schemas.Script{Active: true}
	err := in.into(&s)
	if err == nil {
		s.Version, err = in.version(schemas.Script{}, s)
	}
	if err != nil {
		return err
	}
	may := func(ctx context.Context) error {
		all, err := a.allScripts(ctx, org)
		if err != nil {
			return err
		}
		if err := mayStand(all, s); err != nil {
			return err
		}
		if len(all) >= schemas.MaxScripts {
			return overLimit(schemas.T("scripts"), schemas.MaxScripts)
		}
		return nil
	}
	s, err = create(a, c, schemas.KindScript, s.Identifier, may, func(ctx context.Context, id int64) (schemas.Script, error) {
		s.ID, s.CreatedAt = id, time.Now().UTC().Truncate(time.Second)
		s.UpdatedAt = s.CreatedAt
		return s, a.keepScript(ctx, org, s, true)
	})
	if err != nil {
		return err
	}
	return a.ok(c, saved{Success: true, Message: said(c, schemas.T("Saved successfully")), Data: newScripts([]schemas.Script{s})[0]})
}

// editScript answers POST /user/call_check_scripts/edit/{id}; script_id in the
// body goes before the id in the path. Errors: 4001, 4045 for what would be left
// empty, 4053.
func (a *API) editScript(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in scriptRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	id, err := ownID(c, "script_id", in.ID)
	if err != nil {
		return err
	}
	var s schemas.Script
	err = a.Store.InTurn(c.UserContext(), org, schemas.KindScript, func(ctx context.Context) error {
		all, err := a.allScripts(ctx, org)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(s schemas.Script) bool { return s.ID == id })
		if i < 0 {
			return schemas.Fail(schemas.CodeNoRecord, "")
		}
		s = all[i]
		if err := in.into(&s); err != nil {
			return err
		}
		if s.Version, err = in.version(all[i], s); err != nil {
			return err
		}
		if err := mayStand(all, s); err != nil {
			return err
		}
		s.UpdatedAt = time.Now().UTC().Truncate(time.Second)
		return a.keepScript(ctx, org, s, s.Version != all[i].Version)
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditSettings, schemas.KindScript, s.ID)
	return a.ok(c, saved{Success: true, Message: said(c, schemas.T("Saved successfully")), Data: newScripts([]schemas.Script{s})[0]})
}

// keepScript saves a script, and before it its version where that is new: no
// analysis may name one that cannot be read.
func (a *API) keepScript(ctx context.Context, org string, s schemas.Script, isNew bool) error {
	if isNew {
		kind := versionsOf(s.ID)
		kept, err := state.List[schemas.Script](ctx, a.Store, org, kind)
		if err != nil {
			return err
		}
		for len(kept) >= schemas.MaxScriptVersions {
			if err := a.Door.Remove(ctx, org, kind, idText(kept[0].Version)); err != nil {
				return err
			}
			kept = kept[1:]
		}
		if err := a.Door.Save(ctx, org, kind, idText(s.Version), s); err != nil {
			return err
		}
	}
	return a.Door.Save(ctx, org, schemas.KindScript, idText(s.ID), s)
}

// deleteScript answers POST /user/call_check_scripts/delete/{id}; script_id in
// the body goes before the id in the path. Its versions stay. Error: 4053.
func (a *API) deleteScript(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in scriptRequest
	if err := parseOptional(c, &in); err != nil {
		return err
	}
	id, err := ownID(c, "script_id", in.ID)
	if err != nil {
		return err
	}
	err = a.Store.InTurn(c.UserContext(), org, schemas.KindScript, func(ctx context.Context) error {
		s, err := state.Get[schemas.Script](ctx, a.Store, org, schemas.KindScript, id)
		if err == nil && s == nil {
			err = schemas.Fail(schemas.CodeNoRecord, "")
		}
		if err != nil {
			return err
		}
		return a.Door.Remove(ctx, org, schemas.KindScript, idText(id))
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditDelete, schemas.KindScript, id)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Deleted successfully"))})
}
