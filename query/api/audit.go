package api

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
)

// audit notes that the request's user did something, once it is done: action is
// one of the Audit constants of package schemas, object what it was done to
// ("task/CODE/docx_call", "checklist/7", "vocabulary"), by ids and never by
// content. Nobody waits for it and it cannot fail.
func (a *API) audit(c *fiber.Ctx, action, object string) {
	a.auditAs(c, callOf(c.Context()).user, action, object)
}

// auditSetting is audit of one setting.
func (a *API) auditSetting(c *fiber.Ctx, action, kind string, id int64) {
	a.audit(c, action, kind+"/"+idText(id))
}

// auditAs is audit for a request without a token.
func (a *API) auditAs(c *fiber.Ctx, u schemas.User, action, object string) {
	a.Auditor.Record(schemas.AuditRecorded{Org: u.Org, User: u.ID, Email: u.Email, Action: action, Object: object,
		Address: a.addressOf(c.Context()), Request: callOf(c.Context()).id})
}

// auditTime is how long the end of Serve waits for what was noted last.
const auditTime = 5 * time.Second

func (a *API) awaitAudits() {
	if a.Auditor == nil { // SystemOnly
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), auditTime)
	defer cancel()
	a.Auditor.Await(ctx)
}
