package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/ingest"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

type givenAnswer struct {
	ID         int64  `json:"checklist_id"`
	Question   string `json:"question"`
	Answer     string `json:"answer"`      // localised
	AnsweredBy *int64 `json:"answered_by"` // ours: the user who answered in place of the analyser, else null
}

type answersAnswer struct {
	Success   bool          `json:"success"`
	ErrorCode int64         `json:"error_code"`
	Message   string        `json:"message,omitempty"`
	Data      []givenAnswer `json:"data"`
}

func newAnswers(all []schemas.ChecklistAnswer, lang string) []givenAnswer {
	out := []givenAnswer{}
	for _, q := range all {
		out = append(out, givenAnswer{q.ID, q.Question, schemas.AnswerName(q.Answer, lang), optional(q.AnsweredBy)})
	}
	return out
}

// taskOf finds the code of the task in the path: by its internal id, as the seed
// has it, or by its code. Error: 4021.
func (a *API) taskOf(c *fiber.Ctx) (string, error) {
	if id := pathID(c, "task_id"); id > 0 {
		return a.Reader.CodeOf(c.UserContext(), callOf(c.Context()).user.Org, id)
	}
	return taskCode(c.Params("task_id"))
}

// checklistAnswers answers GET /checklist/answer/{task_id}, from the newest
// analysis: 4021, 4057.
func (a *API) checklistAnswers(c *fiber.Ctx) error {
	call := callOf(c.Context())
	code, err := a.taskOf(c)
	if err != nil {
		return err
	}
	analysis, err := a.Reader.Analysis(c.UserContext(), call.user.Org, code)
	if err != nil {
		return err
	}
	return a.ok(c, answersAnswer{Success: true, Data: newAnswers(analysis.Checklist, call.lang)})
}

// answersMost bounds one submission of answers.
const answersMost = 1000

type answersRequest struct {
	Answers *[]struct {
		ID     scalar `json:"checklist_id"`
		Answer scalar `json:"answer"`
	} `json:"answers"`
}

// read gives the answers by question; of two to one question the later counts.
func (in answersRequest) read() (map[int64]string, error) {
	if in.Answers == nil {
		return nil, schemas.Fail(schemas.CodeFieldsMissing, "answers")
	}
	if len(*in.Answers) > answersMost {
		return nil, schemas.Fail(schemas.CodeInvalid, "more than %d answers", answersMost)
	}
	out := map[int64]string{}
	for i, given := range *in.Answers {
		id, err := strconv.ParseInt(schemas.Integral(string(given.ID)), 10, 64)
		if err != nil {
			return nil, schemas.Fail(schemas.CodeInvalid, "answers[%d].checklist_id must be a whole number", i)
		}
		answer, err := bounded(fmt.Sprintf("answers[%d].answer", i), read.ParseAnswer(ingest.Clean(string(given.Answer))), schemas.MaxAnswer)
		if err == nil && answer == "" {
			err = schemas.Fail(schemas.CodeInvalid, "answers[%d].answer is empty", i)
		}
		if err != nil {
			return nil, err
		}
		out[id] = answer
	}
	return out, nil
}

// setAnswers answers POST /checklist/answer/{task_id}, an endpoint of our own:
// {"answers": [{"checklist_id": 101, "answer": "Yes"}]}. A person's answers stand
// in place of the analyser's, any text besides Yes, Partially and No: they make a new version of the analysis, and a
// re-analysis keeps them. Answers to questions that are unknown or deleted are
// ignored. Errors: 4001, 4021, 4045, 4057, and 4099 while another version of the
// analysis is being written; one that was only asked for is not waited for.
func (a *API) setAnswers(c *fiber.Ctx) error {
	call := callOf(c.Context())
	var in answersRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	given, err := in.read()
	if err != nil {
		return err
	}
	code, err := a.taskOf(c)
	if err != nil {
		return err
	}
	amended, err := a.amend(c.UserContext(), call.user, code, given)
	if err != nil {
		return err
	}
	a.audit(c, schemas.AuditSettings, "task/"+code+"/checklist")
	return a.ok(c, answersAnswer{Success: true, Message: said(c, schemas.T("Checklist answers saved")), Data: newAnswers(amended.Checklist, call.lang)})
}

// How long a new version of an analysis is waited for at the database, and how
// often it is looked for.
const (
	amendWait = 5 * time.Second
	amendStep = 25 * time.Millisecond
)

// amend makes the version of an analysis that has the answers given. It returns
// when the version can be read, or after amendWait: it is on the log by then.
func (a *API) amend(ctx context.Context, user schemas.User, code string, given map[int64]string) (schemas.Analysis, error) {
	if err := a.claimAnalysis(ctx, user.Org, code); err != nil {
		return schemas.Analysis{}, err
	}
	analysis, changed, err := a.answered(ctx, user, code, given)
	if err != nil || !changed {
		return analysis, errors.Join(err, a.Store.ForgetAgain(context.WithoutCancel(ctx), state.MarkWriting, user.Org, code))
	}
	next := []schemas.Analysed{{Code: code, Version: analysis.Version}}
	if err := a.Store.ExpectAgain(ctx, state.MarkWriting, user.Org, next, state.PersonWrites); err != nil {
		return analysis, err
	}
	if err := a.Door.Amend(ctx, analysis); err != nil {
		return analysis, a.unexpect(ctx, state.MarkWriting, user.Org, next, err)
	}
	for waited := time.Duration(0); waited < amendWait; waited += amendStep {
		versions, err := a.Reader.Versions(ctx, user.Org, []string{code})
		if err == nil && len(versions) > 0 && versions[0].Version >= analysis.Version {
			break
		}
		if pause(ctx, amendStep) != nil {
			break
		}
	}
	return analysis, nil
}

// claimAnalysis waits until no other version of the task's analysis is being
// written, and marks that one is.
func (a *API) claimAnalysis(ctx context.Context, org, code string) error {
	for waited := time.Duration(0); ; waited += amendStep {
		versions, err := a.Reader.Versions(ctx, org, []string{code})
		if err != nil {
			return err
		}
		if len(versions) == 0 {
			_, err := a.Reader.Analysis(ctx, org, code) // says what is missing
			if err == nil {
				err = schemas.Fail(schemas.CodeNoAnalysis, "")
			}
			return err
		}
		marked, err := a.Store.MarkAgain(ctx, state.MarkWriting, org, versions)
		if err != nil || len(marked) == 1 {
			return err
		}
		if waited >= amendWait {
			return schemas.Fail(schemas.CodeInProgress, "")
		}
		if err := pause(ctx, amendStep); err != nil {
			return err
		}
	}
}

// answered reads the newest analysis and puts the answers into its next version.
func (a *API) answered(ctx context.Context, user schemas.User, code string, given map[int64]string) (next schemas.Analysis, changed bool, err error) {
	if next, err = a.Reader.Conversation(ctx, user.Org, code); err != nil {
		return next, false, err
	}
	all, err := a.Store.Ask(ctx, user.Org, a.Door.Save, func(q schemas.ChecklistQuestion) bool { return given[q.ID] != "" })
	if err != nil {
		return next, false, err
	}
	for id, answer := range given {
		hidden := slices.ContainsFunc(all, func(q schemas.ChecklistQuestion) bool { return q.ID == id && !q.Active })
		i := slices.IndexFunc(next.Checklist, func(q schemas.ChecklistAnswer) bool { return q.ID == id })
		if i < 0 { // asked since then
			j := slices.IndexFunc(all, func(q schemas.ChecklistQuestion) bool { return q.ID == id && q.Active })
			if j < 0 {
				continue
			}
			i, next.Checklist = len(next.Checklist), append(next.Checklist, schemas.ChecklistAnswer{ID: id, Question: all[j].Question})
		}
		if q := &next.Checklist[i]; !hidden && (q.Answer != answer || q.AnsweredBy != user.ID) {
			q.Answer, q.Score, q.AnsweredBy, changed = answer, schemas.AnswerScore(answer), user.ID, true
			// The quotes prove what the analyser had answered.
			next.Evidence = slices.DeleteFunc(next.Evidence, func(e schemas.Evidence) bool { return e.Judgement == "checklist."+idText(id) })
		}
	}
	if changed {
		next.Version++
		next.CreatedAt = time.Now().UTC().Truncate(time.Microsecond)
	}
	return next, changed, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
