package api

import (
	"context"
	"slices"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
	"earshot/sinks/state"
)

type questionAnswer struct {
	ID       int64  `json:"id"`
	Question string `json:"question"`
	Active   bool   `json:"is_active"`
	User     *int64 `json:"user_id"` // ours: who made it; null for a built-in one
}

func newQuestion(q schemas.ChecklistQuestion) questionAnswer {
	return questionAnswer{q.ID, q.Question, q.Active, optional(q.User)}
}

type checklistAnswer struct {
	Success   bool             `json:"success"`
	ErrorCode int64            `json:"error_code"`
	Data      []questionAnswer `json:"data"`
}

type changedQuestion struct {
	Success   bool           `json:"success"`
	ErrorCode int64          `json:"error_code"`
	Message   string         `json:"message"`
	Data      questionAnswer `json:"data"`
}

func (a *API) answerQuestions(c *fiber.Ctx, all []schemas.ChecklistQuestion) error {
	answer := checklistAnswer{Success: true, Data: []questionAnswer{}}
	for _, q := range all {
		answer.Data = append(answer.Data, newQuestion(q))
	}
	return a.ok(c, answer)
}

// checklists answers GET /checklist: the questions that every analysis answers
// from now on. Those are the organisation's active ones, whoever made them, or
// the built-in ones while it has none.
func (a *API) checklists(c *fiber.Ctx) error {
	call := callOf(c.Context())
	active, _, err := a.questions(c.UserContext(), call.user.Org)
	if err != nil {
		return err
	}
	if len(active) == 0 {
		active = a.Checklist[call.lang]
	}
	return a.answerQuestions(c, active)
}

// checklistsOf answers GET /checklist/{user_id}, for an administrator or the
// user: the active questions which that user made. Errors: 4056, 4033.
func (a *API) checklistsOf(c *fiber.Ctx) error {
	me, id := callOf(c.Context()).user, pathID(c, "user_id")
	if me.Role != roleAdmin && id != me.ID {
		return schemas.Fail(schemas.CodeAccessDenied, "")
	}
	if _, err := a.Store.User(c.UserContext(), me.Org, id); err != nil {
		return err
	}
	active, _, err := a.questions(c.UserContext(), me.Org)
	if err != nil {
		return err
	}
	return a.answerQuestions(c, slices.DeleteFunc(active, func(q schemas.ChecklistQuestion) bool { return q.User != id }))
}

// roleAdmin is schemas.User.Role of who may see what is another user's.
const roleAdmin = "admin"

// questions gives the organisation's active questions, and all it ever had.
func (a *API) questions(ctx context.Context, org string) (active, all []schemas.ChecklistQuestion, err error) {
	all, err = state.List[schemas.ChecklistQuestion](ctx, a.Store, org, schemas.KindChecklist)
	for _, q := range all {
		if q.Active {
			active = append(active, q)
		}
	}
	return active, all, err
}

type questionRequest struct {
	Question *string `json:"question"`
}

// addQuestion answers POST /checklist: 4001, 4045, 4054, 4220.
func (a *API) addQuestion(c *fiber.Ctx) error {
	user := callOf(c.Context()).user
	var in questionRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	q := schemas.ChecklistQuestion{User: user.ID, Active: true}
	var err error
	if q.Question, err = line("question", in.Question, schemas.MaxQuestion); err != nil {
		return err
	}
	may := func(ctx context.Context) error {
		active, all, err := a.questions(ctx, user.Org)
		switch {
		case err != nil:
			return err
		case asked(active, q):
			return schemas.Fail(schemas.CodeSameQuestion, "")
		case len(active) >= schemas.MaxQuestions:
			return overLimit(schemas.T("active questions"), schemas.MaxQuestions)
		case len(all) >= schemas.MaxQuestionsEver:
			return overLimit(schemas.T("questions, deleted ones with them"), schemas.MaxQuestionsEver)
		}
		return nil
	}
	q, err = create(a, c, schemas.KindChecklist, plain(q.Question), may, func(ctx context.Context, id int64) (schemas.ChecklistQuestion, error) {
		q.ID = id
		return q, a.Door.Save(ctx, user.Org, schemas.KindChecklist, idText(id), q)
	})
	if err != nil {
		return err
	}
	return a.ok(c, changedQuestion{Success: true, Message: said(c, schemas.T("Checklist question created")), Data: newQuestion(q)})
}

// asked says whether another question says the same.
func asked(active []schemas.ChecklistQuestion, q schemas.ChecklistQuestion) bool {
	return slices.ContainsFunc(active, func(other schemas.ChecklistQuestion) bool {
		return other.ID != q.ID && alike(other.Question, q.Question)
	})
}

// editQuestion answers POST /checklist/{id}: 4001, 4045, 4053 for a question
// that is unknown, deleted or built in, 4054, 4055.
func (a *API) editQuestion(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	var in questionRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	text, err := line("question", in.Question, schemas.MaxQuestion)
	if err != nil {
		return err
	}
	q, err := a.changeQuestion(c, func(ctx context.Context, active []schemas.ChecklistQuestion, q *schemas.ChecklistQuestion) error {
		if q.Question == text {
			return nil
		}
		q.Question = text
		if asked(active, *q) {
			return schemas.Fail(schemas.CodeSameQuestion, "")
		}
		// What was answered must stay what was asked, and what is being answered. To look
		// for an answer reads all of the organisation's rows.
		answered := q.Asked
		if !answered {
			if answered, err = a.Reader.Answered(ctx, org, q.ID); err != nil {
				return err
			}
		}
		if answered {
			return schemas.Fail(schemas.CodeAnswered, "")
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditSettings, schemas.KindChecklist, q.ID)
	return a.ok(c, changedQuestion{Success: true, Message: said(c, schemas.T("Checklist question updated")), Data: newQuestion(q)})
}

// deleteQuestion answers POST /checklist/delete/{id}: the question is hidden and
// answered no more; the answers there are stay. Error: 4053.
func (a *API) deleteQuestion(c *fiber.Ctx) error {
	q, err := a.changeQuestion(c, func(_ context.Context, _ []schemas.ChecklistQuestion, q *schemas.ChecklistQuestion) error {
		q.Active = false
		return nil
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditDelete, schemas.KindChecklist, q.ID)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Checklist question deleted")), ID: q.ID})
}

// changeQuestion changes an active question and saves it.
func (a *API) changeQuestion(c *fiber.Ctx, change func(context.Context, []schemas.ChecklistQuestion, *schemas.ChecklistQuestion) error) (q schemas.ChecklistQuestion, err error) {
	org, id := callOf(c.Context()).user.Org, pathID(c, "id")
	err = a.Store.InTurn(c.UserContext(), org, schemas.KindChecklist, func(ctx context.Context) error {
		active, _, err := a.questions(ctx, org)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(active, func(q schemas.ChecklistQuestion) bool { return q.ID == id })
		if i < 0 {
			return schemas.Fail(schemas.CodeNoRecord, "")
		}
		q = active[i]
		if err := change(ctx, active, &q); err != nil {
			return err
		}
		return a.Door.Save(ctx, org, schemas.KindChecklist, idText(id), q)
	})
	return q, err
}
