package api

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/gofiber/fiber/v2"

	"earshot/charts/document"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// documentsAtOnce bounds the memory of documents: that of a call of ten hours
// takes 100 MB while it is made.
const documentsAtOnce = 2

// fileRoutes are those of seed section 10.
func (a *API) fileRoutes(app *fiber.App) {
	app.Get("/get_file", onlyUnauthorized, a.authenticated, a.getFile)
}

// onlyUnauthorized makes of a bad token what section 10 documents for it.
func onlyUnauthorized(c *fiber.Ctx) error {
	err := c.Next()
	if isCode(err, schemas.CodeBadToken) {
		return schemas.Because(schemas.CodeUnauthorized, err, "")
	}
	return err
}

// getFile answers GET /get_file with a document of a call or with its audio:
// 4023 without a valid token, 4045 without file_type or task_code, 4047, 4021; of
// documents 4056 when the task is no call, 4057 when it is not analysed; of audio
// 4046 when there is none; 5002.
func (a *API) getFile(c *fiber.Ctx) error {
	send, err := a.sender(c.Query("file_type"))
	if err != nil {
		return err
	}
	given := c.Query("task_code")
	if given == "" {
		return schemas.Fail(schemas.CodeFieldsMissing, "task_code")
	}
	code, err := taskCode(given)
	if err != nil {
		return err
	}
	t, err := a.Store.Task(c.UserContext(), callOf(c.Context()).user.Org, code)
	if err != nil {
		return err
	}
	if err := send(c, t.Task); err != nil {
		return err
	}
	if c.Method() != fiber.MethodHead { // which takes nothing away
		a.audit(c, schemas.AuditDownload, "task/"+code+"/"+c.Query("file_type"))
	}
	return nil
}

// sender is what makes a type of file.
func (a *API) sender(fileType string) (func(*fiber.Ctx, schemas.Task) error, error) {
	switch fileType {
	case "docx_call":
		return a.document("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", document.Call.DOCX), nil
	case "txt_call":
		return a.document("txt", "text/plain; charset=utf-8", document.Call.TXT), nil
	case "audio":
		return a.sendAudio, nil
	case "":
		return nil, schemas.Fail(schemas.CodeFieldsMissing, "file_type")
	}
	return nil, schemas.Fail(schemas.CodeFileType, "docx_call, txt_call, audio")
}

// document sends a document of a call.
func (a *API) document(extension, contentType string, write func(document.Call, io.Writer, string) error) func(*fiber.Ctx, schemas.Task) error {
	return func(c *fiber.Ctx, t schemas.Task) error {
		lang := callOf(c.Context()).lang
		if t.Type != schemas.TypeCall {
			return schemas.Say(schemas.CodeAccessDenied, "a task of type call is expected, this one is of type %s", t.Type)
		}
		// Before anything is read: the turns alone of a long call take megabytes.
		leave, ok := a.documents.take(c.UserContext(), t.Org)
		if !ok {
			return schemas.Fail(schemas.CodeUnavailable, "too many documents at once")
		}
		defer leave()
		call, err := a.reportOf(c, t)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := write(call, &b, lang); err != nil {
			return err
		}
		attach(c, contentType, fmt.Sprintf("call_report_task%d.%s", t.ID, extension))
		c.Context().Response.SetBodyRaw(b.Bytes())
		return nil
	}
}

// reportOf reads what a document tells of a call.
func (a *API) reportOf(c *fiber.Ctx, t schemas.Task) (call document.Call, err error) {
	call.Analysis, err = a.Reader.Analysis(c.UserContext(), t.Org, t.Code)
	if isCode(err, schemas.CodeTaskNotFound) { // the state has it, ClickHouse not yet
		return call, schemas.Fail(schemas.CodeNoAnalysis, "")
	}
	if err != nil {
		return call, err
	}
	if call.Utterances, err = a.Reader.Utterances(c.UserContext(), t.Org, t.Code, read.MaxUtterances+1); err != nil {
		return call, err
	}
	if call.Cut = len(call.Utterances) > read.MaxUtterances; call.Cut {
		call.Utterances = call.Utterances[:read.MaxUtterances]
	}
	if t.DirectoryID == 0 {
		return call, nil
	}
	all, err := state.List[schemas.Directory](c.UserContext(), a.Store, t.Org, schemas.KindDirectory)
	if i := slices.IndexFunc(all, func(d schemas.Directory) bool { return d.ID == t.DirectoryID }); i >= 0 {
		call.Directory = all[i].Name
	}
	return call, err
}
