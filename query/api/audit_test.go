package api

import (
	"bufio"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/ingest"
	"earshot/schemas"
)

// audited reads the log from its beginning until it has n events of an
// organisation.
func audited(t *testing.T, org string, n int) []schemas.AuditRecorded {
	t.Helper()
	client, err := the.engines.Kafka(kgo.ConsumeTopics(schemas.TopicAudit), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []schemas.AuditRecorded
	var codec schemas.Codec
	for len(all) < n && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var e schemas.AuditRecorded
			if err := codec.Decode(r.Value, &e); err != nil {
				t.Error(err)
			}
			if e.Org == org && string(r.Key) == org {
				all = append(all, e)
			}
		})
	}
	if len(all) != n {
		t.Fatalf("%d events, want %d: %+v", len(all), n, all)
	}
	return all
}

func TestAudit(t *testing.T) {
	x := newTenant(t)
	s := serve(t, the.deps, func(c *Config) { c.TrustedProxies = []string{"127.0.0.1"} })
	id := []string{"X-Request-Id", "request-of-" + x.org, "X-Real-Ip", "192.0.2.7"}
	s.post(t, "/auth/login", "", credentials(x.email, "wrong"), id...).want(t, 401, schemas.CodeUnauthorized)
	token, refresh := tokensOf(t, s.post(t, "/auth/login", "", credentials(x.email, password), id...))
	s.post(t, "/auth/refresh", "", map[string]string{"refresh_token": refresh}, id...).want(t, 200, 0)
	s.send(t, http.MethodPut, "/user/vocabulary", token, strings.NewReader(`{"vocabulary":["secret term"]}`), id...).want(t, 200, 0)
	s.post(t, "/auth/logout", token, "", id...).want(t, 200, 0)
	s.api.users.Purge()
	the.api.users.Purge()
	events := audited(t, x.org, 5)
	got := map[string]string{}
	for _, e := range events {
		got[e.Action] = e.Object
		if e.ID == "" || e.User != 1 || e.Email != x.email || e.Address != "192.0.2.7" || e.Request != "request-of-"+x.org || time.Since(e.At) > time.Minute {
			t.Errorf("%+v", e)
		}
	}
	want := map[string]string{schemas.AuditLoginFailed: "", schemas.AuditLogin: "", schemas.AuditRefresh: "", schemas.AuditSettings: "vocabulary", schemas.AuditLogout: "session"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Whatever changes, deletes or takes away something says so, once it is done;
// what only reads or is refused does not.
func TestChangesAndDownloadsAreAudited(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	s := newSettings(t, x)
	want := []string{"settings checklist/" + s.question, "settings directory/" + s.directory, "settings category/" + s.category, "settings filter/" + s.filter, "settings script/" + s.script}
	call, chat := analysedCall(t, x, "call.wav"), analysed(t, x, schemas.ChecklistAnswer{ID: 5, Question: "Q", Answer: schemas.AnswerNo}).Task.Code
	analysed(t, x)
	for _, c := range []struct{ method, path, body, event string }{ // event "": none
		{"POST", "/checklist/" + s.question, `{"question": "secret?"}`, "settings checklist/" + s.question},
		{"POST", "/checklist/987654", `{"question": "secret?"}`, ""}, // there is none
		{"POST", "/checklist/delete/" + s.question, "", "delete checklist/" + s.question},
		{"DELETE", "/user/directories/delete/" + s.directory, "", "delete directory/" + s.directory},
		{"POST", "/user/call_categories/edit/" + s.category, `{"name": "secret"}`, "settings category/" + s.category},
		{"POST", "/user/call_categories/list", "", ""},
		{"POST", "/user/call_categories/delete/" + s.category, "", "delete category/" + s.category},
		{"POST", "/tasks/filters/save", `{"name": "Critical calls — October", "criteria": {"task_type": "chat"}}`, "settings filter/" + s.filter},
		{"POST", "/tasks/filters/delete/" + s.filter, "", "delete filter/" + s.filter},
		{"POST", "/user/call_check_scripts/edit/1000", `{"title": "secret", "script_id": ` + s.script + `}`, "settings script/" + s.script},
		{"POST", "/user/call_check_scripts/delete/1000", `{"script_id": ` + s.script + `}`, "delete script/" + s.script},
		{"GET", "/get_file?file_type=pdf&task_code=" + call, "", ""},
		{"HEAD", "/get_file?file_type=audio&task_code=" + call, "", ""},
		{"GET", "/get_file?file_type=audio&task_code=" + call, "", "download task/" + call + "/audio"},
		{"GET", "/get_file?file_type=docx_call&task_code=" + call, "", "download task/" + call + "/docx_call"},
		{"GET", "/get_file?file_type=txt_call&task_code=" + call, "", "download task/" + call + "/txt_call"},
		{"POST", "/checklist/answer/" + chat, `{"answers": [{"checklist_id": 5, "answer": "Yes"}]}`, "settings task/" + chat + "/checklist"},
		{"POST", "/api/calls_analysis_v2/" + chat + "/reanalyze", "", "settings task/" + chat + "/analysis"},
		{"POST", "/tasks/reanalyze", `{"task_type": "audio"}`, ""}, // there is none
		{"POST", "/tasks/reanalyze", `{"task_type": "chat"}`, "settings analyses"},
	} {
		r := the.send(t, c.method, c.path, x.token, strings.NewReader(c.body))
		if c.event == "" {
			continue
		}
		want = append(want, c.event)
		if r.status != http.StatusOK || r.body != nil && r.at("error_code") != 0.0 {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.raw)
		}
	}
	var got []string
	for _, e := range audited(t, x.org, len(want)) {
		got = append(got, e.Action+" "+e.Object)
	}
	slices.Sort(got) // they are encoded side by side
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Nobody's login fails, or waits, because the log is away: what is lost is
// counted.
func TestALostAuditEventHarmsNobody(t *testing.T) {
	x := newTenant(t)
	producer, err := the.engines.Kafka()
	if err != nil {
		t.Fatal(err)
	}
	producer.Close() // takes nothing any more
	deps := the.deps
	deps.Auditor = ingest.NewAuditor(producer, &schemas.Codec{}, the.metrics, the.deps.Log)
	s := serve(t, deps, nil)
	before := lostAudits(t)
	s.post(t, "/auth/login", "", credentials(x.email, password)).want(t, 200, 0)
	eventually(t, "the lost event is counted", func() bool { return lostAudits(t) == before+1 })
}

func lostAudits(t *testing.T) float64 {
	t.Helper()
	families, err := the.deps.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "earshot_stage_errors_total" && labels["stage"] == schemas.StageAudit {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// Every answer names its request, so that a client can tell which it was.
func TestEveryAnswerHasARequestID(t *testing.T) {
	x := newTenant(t)
	for name, r := range map[string]reply{
		"well":             the.get(t, "/user/tariff", x.token),
		"health":           the.get(t, "/healthz", ""),
		"metrics":          the.get(t, "/metrics", ""),
		"no such path":     the.get(t, "/nowhere", ""),
		"no token":         the.get(t, "/gettask", ""),
		"a business code":  the.get(t, "/gettask", x.token),
		"no such method":   the.send(t, "BREW", "/gettask", x.token, nil),
		"encoded":          the.post(t, "/auth/login", "", "{}", "Content-Encoding", "gzip"),
		"too large":        the.post(t, "/auth/login", "", strings.Repeat("x", smallBody+1)),
		"upload":           upload(t, the.service, x, file("a.wav", wave(3, 8000, 1))),
		"refused upload":   upload(t, the.service, x, field("a", "b")),
		"upload, no token": the.post(t, "/addtaskcall", "", "{}"),
	} {
		if len(r.header.Get("X-Request-Id")) != 36 {
			t.Errorf("%s: %q of %d %s", name, r.header.Get("X-Request-Id"), r.status, r.raw)
		}
	}
	for given, kept := range map[string]bool{"abc-1.2_Z": true, strings.Repeat("x", 65): false, "a b": false, "a\"b": false, "": false} {
		if got := the.get(t, "/healthz", "", "X-Request-Id", given).header.Get("X-Request-Id"); (got == given) != kept || got == "" {
			t.Errorf("%q is answered with %q", given, got)
		}
	}
	for name, request := range map[string]string{
		"unreadable":     "GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
		"no request":     "hello\r\n\r\n",
		"a large header": "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", headerBytes) + "\r\n\r\n",
		"asked first":    "POST /addtaskcall HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
	} {
		c := the.dial(t)
		go func() { _, _ = c.Write([]byte(request)) }() // it may not be read to its end
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", name, r)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
