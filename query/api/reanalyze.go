package api

import (
	"context"
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// reanalyzeMost bounds the tasks of one request.
const reanalyzeMost = 5000

// How long a requested analysis counts as being on its way: it may wait while
// live work keeps the analysers busy; and where it is not known whether the
// request is on the log, long enough for it to get there.
const (
	reanalyzeWait  = 2 * time.Hour
	expectDoubtful = 30 * time.Second
)

type reanalyzeAnswer struct {
	Success   bool   `json:"success"`
	ErrorCode int64  `json:"error_code"`
	Message   string `json:"message"`
	Requested int    `json:"requested"` // analyses asked for by this request
	Pending   int    `json:"pending"`   // asked for before, and still on their way
}

// reanalyze answers POST /api/calls_analysis_v2/{task_code}/reanalyze, an
// endpoint of our own: the task is analysed again with today's checklist,
// scripts, categories and rules, beside the live work. The outcome is the next
// version of its analysis; its status and its price stay. Errors: 4021, 4057.
func (a *API) reanalyze(c *fiber.Ctx) error {
	code, err := taskCode(c.Params("task_code"))
	if err != nil {
		return err
	}
	org := callOf(c.Context()).user.Org
	tasks, err := a.Reader.Versions(c.UserContext(), org, []string{code})
	if err == nil && len(tasks) == 0 {
		if _, err = a.Reader.Analysis(c.UserContext(), org, code); err == nil {
			err = schemas.Fail(schemas.CodeNoAnalysis, "")
		}
	}
	if err != nil {
		return err
	}
	return a.askAgain(c, "task/"+code+"/analysis", tasks)
}

// reanalyzeAll answers POST /tasks/reanalyze, an endpoint of our own: the body
// has the criteria of /tasks/filter, at least one, and every task that meets them
// and has an analysis is analysed again. Errors: 4001, also when more than 5,000
// tasks meet them; 4045 when there are none.
func (a *API) reanalyzeAll(c *fiber.Ctx) error {
	criteria, err := a.criteriaOf(c)
	if err != nil {
		return err
	}
	if criteria.Empty() {
		return schemas.Fail(schemas.CodeFieldsMissing, "criteria of /tasks/filter")
	}
	tasks, err := a.Reader.Analysed(c.UserContext(), callOf(c.Context()).user.Org, criteria, reanalyzeMost+1)
	if err != nil {
		return err
	}
	if len(tasks) > reanalyzeMost {
		return schemas.Fail(schemas.CodeInvalid, "more than %d tasks: narrow the criteria, by date_from and date_to for instance", reanalyzeMost)
	}
	return a.askAgain(c, "analyses", tasks)
}

// askAgain answers both; the requests on the log have every task and who asked,
// so that one audit event with their object is enough.
func (a *API) askAgain(c *fiber.Ctx, object string, tasks []schemas.Analysed) error {
	requested, err := a.request(c.UserContext(), callOf(c.Context()).user, tasks)
	if err != nil {
		return err
	}
	if requested > 0 {
		a.audit(c, schemas.AuditSettings, object)
	}
	return a.ok(c, reanalyzeAnswer{Success: true, Message: said(c, schemas.T("Analysis requested")), Requested: requested, Pending: len(tasks) - requested})
}

// request asks for the next analysis of each task that none is on its way for.
func (a *API) request(ctx context.Context, user schemas.User, tasks []schemas.Analysed) (int, error) {
	if len(tasks) == 0 {
		return 0, nil
	}
	codes, err := a.Store.MarkAgain(ctx, state.MarkAsked, user.Org, tasks)
	if err != nil || len(codes) == 0 {
		return 0, err
	}
	// Read again: what counts is what there is now that no other can follow.
	next, err := a.Reader.Versions(ctx, user.Org, codes)
	if err != nil {
		return 0, err
	}
	requests := make([]schemas.AnalysisRequested, len(next))
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range next {
		next[i].Version++
		requests[i] = schemas.AnalysisRequested{Org: user.Org, TaskCode: next[i].Code, Version: next[i].Version, User: user.ID, At: now}
	}
	if err := a.Store.ExpectAgain(ctx, state.MarkAsked, user.Org, next, reanalyzeWait); err != nil {
		return 0, err
	}
	if err := a.Door.AnalyseAgain(ctx, requests); err != nil {
		return 0, a.unexpect(ctx, state.MarkAsked, user.Org, next, err)
	}
	return len(next), nil
}

// unexpect makes the marks of versions fit for err, with which they were not
// published, and returns it: nobody must wait for what is not on the log.
func (a *API) unexpect(ctx context.Context, m state.Mark, org string, next []schemas.Analysed, err error) error {
	ctx = context.WithoutCancel(ctx)
	if !errors.Is(err, ingest.ErrNeverSent) {
		return errors.Join(err, a.Store.ExpectAgain(ctx, m, org, next, expectDoubtful))
	}
	codes := make([]string, len(next))
	for i := range next {
		codes[i] = next[i].Code
	}
	return errors.Join(err, a.Store.ForgetAgain(ctx, m, org, codes...))
}
