package state

import (
	"context"
	"slices"
	"strconv"

	"earshot/schemas"
)

// Save publishes an entity and applies it at once, as ingest.Door.Save does.
type Save func(ctx context.Context, org, kind, id string, value any) error

// Ask gives the checklist questions of an organisation to whoever is about to
// answer those that which is true of. It marks them as asked, on the log and in
// the turn in which questions are changed: an edit at the same time is either
// what is answered, or comes too late and is refused (4055), though it takes a
// while until the answer can be seen. Errors: those of InTurn and save.
func (s *Store) Ask(ctx context.Context, org string, save Save, which func(schemas.ChecklistQuestion) bool) (all []schemas.ChecklistQuestion, err error) {
	fresh := func(q schemas.ChecklistQuestion) bool { return q.Active && !q.Asked && which(q) }
	all, err = List[schemas.ChecklistQuestion](ctx, s, org, schemas.KindChecklist)
	if err != nil || !slices.ContainsFunc(all, fresh) {
		return all, err
	}
	err = s.InTurn(ctx, org, schemas.KindChecklist, func(ctx context.Context) error {
		if all, err = List[schemas.ChecklistQuestion](ctx, s, org, schemas.KindChecklist); err != nil {
			return err
		}
		for i := range all {
			if !fresh(all[i]) {
				continue
			}
			all[i].Asked = true
			if err := save(ctx, org, schemas.KindChecklist, strconv.FormatInt(all[i].ID, 10), all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}
