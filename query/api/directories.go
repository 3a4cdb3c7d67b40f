package api

import (
	"context"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"earshot/schemas"
	"earshot/sinks/state"
)

type directoriesAnswer struct {
	Success     bool                `json:"success"`
	ErrorCode   int64               `json:"error_code"`
	Directories []schemas.Directory `json:"directories"`
}

type directoryAnswer struct {
	Success   bool              `json:"success"`
	ErrorCode int64             `json:"error_code"`
	Directory schemas.Directory `json:"directory"`
}

// directories answers GET /user/directories.
func (a *API) directories(c *fiber.Ctx) error {
	all, err := state.List[schemas.Directory](c.UserContext(), a.Store, callOf(c.Context()).user.Org, schemas.KindDirectory)
	if err != nil {
		return err
	}
	return a.ok(c, directoriesAnswer{Success: true, Directories: all})
}

// addDirectory answers POST /user/directories: 4045, 4001 for a name that is too
// long or that another directory has, 4220.
func (a *API) addDirectory(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in struct {
		Name *string `json:"name"`
	}
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	var d schemas.Directory
	var err error
	if d.Name, err = line("name", in.Name, schemas.MaxName); err != nil {
		return err
	}
	may := func(ctx context.Context) error {
		all, err := state.List[schemas.Directory](ctx, a.Store, org, schemas.KindDirectory)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(other schemas.Directory) bool { return alike(other.Name, d.Name) }); i >= 0 {
			return schemas.Fail(schemas.CodeInvalid, "directory %d has this name already", all[i].ID)
		}
		if len(all) >= schemas.MaxDirectories {
			return overLimit(schemas.T("directories"), schemas.MaxDirectories)
		}
		return nil
	}
	d, err = create(a, c, schemas.KindDirectory, plain(d.Name), may, func(ctx context.Context, id int64) (schemas.Directory, error) {
		d.ID = id
		return d, a.Door.Save(ctx, org, schemas.KindDirectory, idText(id), d)
	})
	if err != nil {
		return err
	}
	return a.ok(c, directoryAnswer{Success: true, Directory: d})
}

// deleteDirectory answers DELETE /user/directories/delete/{id}, of a directory
// with tasks in it too: they keep its id, and nothing is filed there any more.
// Error: 4041.
func (a *API) deleteDirectory(c *fiber.Ctx) error {
	org, id := callOf(c.Context()).user.Org, pathID(c, "id")
	err := a.Store.InTurn(c.UserContext(), org, schemas.KindDirectory, func(ctx context.Context) error {
		d, err := state.Get[schemas.Directory](ctx, a.Store, org, schemas.KindDirectory, id)
		if err != nil {
			return err
		}
		if d == nil { // a business error here, not a path that is not there
			return &statusError{status: fasthttp.StatusOK, err: schemas.Fail(schemas.CodeNoResource, "there is no such directory")}
		}
		return a.Door.Remove(ctx, org, schemas.KindDirectory, idText(id))
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditDelete, schemas.KindDirectory, id)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Directory deleted successfully"))})
}
