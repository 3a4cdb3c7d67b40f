package schemas

import "time"

// AuditRecorded is one thing that somebody did, for those who must be able to
// tell later. It holds no secrets and no content of conversations. Topic audit.
type AuditRecorded struct {
	ID      string    `avro:"id"`    // UUID; the same id is counted once
	Org     string    `avro:"org"`   // whose; "" when nobody's, as for a login with an unknown address
	User    int64     `avro:"user"`  // who; 0 when unknown, and for an operator at the command line
	Email   string    `avro:"email"` // of that user; of a failed login what was typed
	Action  string    `avro:"action"`
	Object  string    `avro:"object"`     // what it was done to: "user/7", "checklist/101", "task/CODE/docx_call", "vocabulary"
	Address string    `avro:"address"`    // of the client; CommandLine for an operator's command
	Request string    `avro:"request_id"` // X-Request-Id of the answer
	At      time.Time `avro:"at"`
}

// Actions of AuditRecorded.
const (
	AuditLogin         = "login"
	AuditLoginFailed   = "login.failed"
	AuditLoginLocked   = "login.locked" // too many failures before it
	AuditCaptchaFailed = "login.captcha"
	AuditRefresh       = "refresh"
	AuditRefreshReused = "refresh.reused" // a refresh token came a second time: its session is ended
	AuditLogout        = "logout"
	AuditDownload      = "download"
	AuditDelete        = "delete"
	AuditSettings      = "settings" // created or changed; a person's checklist answers and asked-for analyses, too
	AuditUserCreated   = "user.created"
	AuditUserChanged   = "user.changed"
	AuditPassword      = "user.password"
	AuditOrganisation  = "organisation"
	AuditPlan          = "plan"
	AuditBI            = "bi" // the account for BI tools
)

// CommandLine stands for the address of who uses `earshot admin`.
const CommandLine = "command line"
