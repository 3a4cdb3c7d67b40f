package api

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
	"earshot/sinks/state"
)

type category struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	Description *string `json:"description"`
	ParentID    *int64  `json:"parent_id"`
	Children    *int    `json:"children_count,omitempty"` // in lists only
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
}

func newCategory(c schemas.Category) category {
	return category{ID: c.ID, Name: c.Name, Description: optional(c.Description), ParentID: optional(c.ParentID),
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt)}
}

func (a *API) allCategories(ctx context.Context, org string) ([]schemas.Category, error) {
	return state.List[schemas.Category](ctx, a.Store, org, schemas.KindCategory)
}

func categoryAt(all []schemas.Category, id int64) int {
	return slices.IndexFunc(all, func(c schemas.Category) bool { return c.ID == id })
}

// categories answers POST /user/call_categories/list. parent_id names whose
// children are listed, 0 the top level; null, like no parent_id, all levels.
// Error: 4001.
func (a *API) categories(c *fiber.Ctx) error {
	var in struct {
		search
		ParentID scalar `json:"parent_id"`
	}
	if err := parseOptional(c, &in); err != nil {
		return err
	}
	const anywhere = -1
	parent, err := whole("parent_id", in.ParentID, anywhere, 0, math.MaxInt64)
	if err != nil {
		return err
	}
	all, err := a.allCategories(c.UserContext(), callOf(c.Context()).user.Org)
	if err != nil {
		return err
	}
	children := map[int64]int{}
	for _, one := range all {
		children[one.ParentID]++
	}
	found := []category{}
	for _, one := range all {
		if (parent == anywhere || parent == one.ParentID) && in.finds(one.Name, one.Description) {
			item, n := newCategory(one), children[one.ID]
			item.Children = &n
			found = append(found, item)
		}
	}
	answer, err := pageOf(in.search, found)
	if err != nil {
		return err
	}
	return a.ok(c, answer)
}

type categoryRequest struct {
	ID          scalar          `json:"category_id"`
	Name        *string         `json:"name"`
	Description *string         `json:"description"`
	ParentID    json.RawMessage `json:"parent_id"` // null: the top level; not there: as it is
}

// into changes what the request names.
func (in categoryRequest) into(one *schemas.Category) (err error) {
	if in.Name != nil {
		if one.Name, err = line("name", in.Name, schemas.MaxName); err != nil {
			return err
		}
	}
	if in.Description != nil {
		if one.Description, err = text("description", in.Description, schemas.MaxDescription); err != nil {
			return err
		}
	}
	if len(in.ParentID) == 0 {
		return nil
	}
	var parent scalar
	if err := json.Unmarshal(in.ParentID, &parent); err != nil {
		return schemas.Fail(schemas.CodeInvalid, "parent_id must be a whole number or null")
	}
	one.ParentID, err = whole("parent_id", parent, 0, 0, math.MaxInt64)
	return err
}

// fits says whether a category may stand where it wants to.
func fits(all []schemas.Category, one schemas.Category) error {
	for _, other := range all {
		if other.ID != one.ID && other.ParentID == one.ParentID && alike(other.Name, one.Name) {
			return schemas.Fail(schemas.CodeInvalid, "category %d has this name already", other.ID)
		}
	}
	above := one.ParentID
	for range len(all) + 1 { // a chain of parents cannot be longer, unless it is a circle
		if above == 0 {
			return nil
		}
		i := categoryAt(all, above)
		if i < 0 {
			return schemas.Fail(schemas.CodeNoCategory, "there is no category %d: parent_id", above)
		}
		if above == one.ID {
			break
		}
		above = all[i].ParentID
	}
	return schemas.Fail(schemas.CodeInvalid, "parent_id: a category cannot be below itself")
}

// addCategory answers POST /user/call_categories/create: 4001, 4045, 4059 for a
// parent that is not there, 4220.
func (a *API) addCategory(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in categoryRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Name == nil {
		return schemas.Fail(schemas.CodeFieldsMissing, "name")
	}
	var one schemas.Category
	if err := in.into(&one); err != nil {
		return err
	}
	may := func(ctx context.Context) error {
		all, err := a.allCategories(ctx, org)
		if err != nil {
			return err
		}
		if err := fits(all, one); err != nil {
			return err
		}
		if len(all) >= schemas.MaxCategories {
			return overLimit(schemas.T("categories"), schemas.MaxCategories)
		}
		return nil
	}
	one, err := create(a, c, schemas.KindCategory, idText(one.ParentID)+"/"+plain(one.Name), may, func(ctx context.Context, id int64) (schemas.Category, error) {
		one.ID, one.CreatedAt = id, time.Now().UTC().Truncate(time.Second)
		one.UpdatedAt = one.CreatedAt
		return one, a.Door.Save(ctx, org, schemas.KindCategory, idText(id), one)
	})
	if err != nil {
		return err
	}
	return a.ok(c, saved{Success: true, Message: said(c, schemas.T("Saved successfully")), Data: newCategory(one)})
}

// editCategory answers POST /user/call_categories/edit/{id}; category_id in the
// body goes before the id in the path. Errors: 4001, 4045 for an empty name,
// 4059.
func (a *API) editCategory(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in categoryRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	id, err := ownID(c, "category_id", in.ID)
	if err != nil {
		return err
	}
	var one schemas.Category
	err = a.Store.InTurn(c.UserContext(), org, schemas.KindCategory, func(ctx context.Context) error {
		all, err := a.allCategories(ctx, org)
		if err != nil {
			return err
		}
		i := categoryAt(all, id)
		if i < 0 {
			return schemas.Fail(schemas.CodeNoCategory, "")
		}
		one = all[i]
		if err := in.into(&one); err != nil {
			return err
		}
		if err := fits(all, one); err != nil {
			return err
		}
		one.UpdatedAt = time.Now().UTC().Truncate(time.Second)
		return a.Door.Save(ctx, org, schemas.KindCategory, idText(id), one)
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditSettings, schemas.KindCategory, one.ID)
	return a.ok(c, saved{Success: true, Message: said(c, schemas.T("Saved successfully")), Data: newCategory(one)})
}

// deleteCategory answers POST /user/call_categories/delete/{id}: 4045 while it
// has children, 4059. Analyses that name it go on naming it.
func (a *API) deleteCategory(c *fiber.Ctx) error {
	org, id := callOf(c.Context()).user.Org, pathID(c, "id")
	err := a.Store.InTurn(c.UserContext(), org, schemas.KindCategory, func(ctx context.Context) error {
		all, err := a.allCategories(ctx, org)
		if err != nil {
			return err
		}
		if categoryAt(all, id) < 0 {
			return schemas.Fail(schemas.CodeNoCategory, "")
		}
		var below []string
		for _, other := range all {
			if other.ParentID == id {
				below = append(below, idText(other.ID))
			}
		}
		if len(below) > 0 {
			return schemas.Say(schemas.CodeFieldsMissing, "Cannot delete a category that has child records: %s", strings.Join(below, ", "))
		}
		return a.Door.Remove(ctx, org, schemas.KindCategory, idText(id))
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditDelete, schemas.KindCategory, id)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Deleted successfully"))})
}
