package warehouse_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
	"earshot/sinks/warehouse"
)

// What came twice is there once, with all it says.
func TestAuditEventsAreInTheTable(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	now := time.Now().UTC().Truncate(time.Hour).Add(123456 * time.Microsecond) // a year later the table forgets it
	download := schemas.AuditRecorded{ID: "1", Org: "org_a", User: 7, Email: "a@example.com", Action: schemas.AuditDownload, Object: "task/x/docx_call",
		Address: "2001:db8::1", Request: "r-1", At: now}
	failed := schemas.AuditRecorded{ID: "2", Email: "nobody@example.com", Action: schemas.AuditLoginFailed, At: now}
	e.produce([]*kgo.Record{e.record(schemas.TopicAudit, download), e.record(schemas.TopicAudit, download), e.record(schemas.TopicAudit, failed)})
	e.run(db.Conn, warehouse.Config{BatchRecords: 1, BatchBytes: 1 << 20, BatchAge: time.Millisecond}, nil)
	for id, want := range map[string]string{
		"1": `["org_a","1",7,"a@example.com","download","task\/x\/docx_call","2001:db8::1","r-1",1]`,
		"2": `["","2",0,"nobody@example.com","login.failed","","","",1]`,
	} {
		got := line(t, "org, id, user_id, email, action, object, address, request_id, at = '"+now.Format("2006-01-02 15:04:05.000000")+"')) FROM audit FINAL WHERE id = '"+id+"'")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	var rows uint64
	if scan(t, "SELECT count() FROM audit FINAL", &rows); rows != 2 {
		t.Errorf("%d rows", rows)
	}
}
