package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"earshot/schemas"
	"earshot/schemas/report"
)

// chatsOfReports are on two days of October, unlike each other, so that every
// part of a report has something to count.
func (s *stack) chatsOfReports(n int) {
	s.Helper()
	says := []string{
		"Client: I was charged twice, this is outrageous, I will leave you!\nOperator: I am sorry. I will send the refund today.\nClient: Thank you.",
		"Client: Hello, which plan has the most traffic?\nOperator: Good morning! The Family plan. Shall I connect it?\nClient: Yes, please connect it, great, thank you very much!",
		"Client: My order has not arrived.\nOperator: It is not our problem.\nClient: Terrible service, I will complain.\nOperator: Do that.",
		"Client: How do I set up the router?\nOperator: Good day, I will help you. Press the button for ten seconds.\nClient: It works, thank you!",
	}
	for i := range n {
		body := map[string]any{"text": fmt.Sprintf("%s\nOperator: Your number is %d.", says[i%len(says)], i), "operator_name": []string{"Olga", "Ivan"}[i%2],
			"call_datetime": fmt.Sprintf("2025-10-%02dT%02d:30:00+03:00", 20+i%2, 9+i%8)}
		if _, err := s.Chat(s.Context(), body, ""); err != nil {
			s.Fatal(err)
		}
	}
	s.completed(n, time.Minute)
}

// order orders a report of October 20 and 21 and gives its task code.
func (s *stack) order(kind, key string) (code string, err error) {
	s.Helper()
	var answer struct {
		Code string `json:"report_task_code"`
	}
	err = s.Post(s.Context(), "/user/callreport", http.Header{"Idempotency-Key": {key}},
		map[string]string{"start_date": "2025-10-20", "end_date": "2025-10-21", "report_type": kind, "time_zone": "Europe/Moscow"}, &answer)
	return answer.Code, err
}

// made waits for a report and gives its files as a stranger downloads them.
func (s *stack) made(code string) map[string][]byte {
	s.Helper()
	var task struct {
		Status string  `json:"status"`
		Error  *string `json:"error_message"`
		Name   string  `json:"file_name"`
		Result struct {
			Files []string `json:"files"`
		} `json:"task_result"`
	}
	s.eventually(2*time.Minute, "the report is made", func() string {
		if err := s.Get(s.Context(), "/gettask", url.Values{"task_code": {code}}, &task); err != nil || task.Status != "completed" {
			return fmt.Sprintf("it is %q, %v, %v", task.Status, task.Error, err)
		}
		return ""
	})
	if task.Error != nil || len(task.Result.Files) < 5 || task.Name != task.Result.Files[0] {
		s.Fatalf("report %s: %+v", code, task)
	}
	files := map[string][]byte{}
	for _, name := range task.Result.Files {
		res, err := s.HTTP.Get(s.Base + "/user/callreport/file?" + url.Values{"task_code": {code}, "filename": {name}}.Encode())
		if err != nil {
			s.Fatal(err)
		}
		var content bytes.Buffer
		_, err = content.ReadFrom(res.Body)
		if closed := res.Body.Close(); err != nil || closed != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Disposition") != `attachment; filename="`+name+`"` {
			s.Fatalf("%s: HTTP %d %v %v", name, res.StatusCode, res.Header, err)
		}
		files[filepath.Ext(name)] = content.Bytes()
	}
	return files
}

func (s *stack) facts(files map[string][]byte) (facts report.Report) {
	s.Helper()
	if err := json.Unmarshal(files[".json"], &facts); err != nil {
		s.Fatalf("%v: %.200s", err, files[".json"])
	}
	return facts
}

// Conversations in, reports out, and their numbers are those of /tasks/filter for
// the same period.
func TestReportsSayWhatTheFilterSays(t *testing.T) {
	s := newStack(t)
	s.start()
	s.chatsOfReports(24)
	codes := map[string]string{}
	for _, kind := range []string{"standard", "business", "daily"} {
		code, err := s.order(kind, kind)
		if err != nil {
			t.Fatal(err)
		}
		codes[kind] = code
	}
	found := func(more ...string) int64 {
		filter := url.Values{"task_type": {"chat"}, "date_from": {"2025-10-20T00:00:00+03:00"}, "date_to": {"2025-10-21T23:59:59+03:00"}}
		for i := 0; i < len(more); i += 2 {
			filter.Set(more[i], more[i+1])
		}
		return int64(s.total(filter))
	}
	same := func(what string, got, want int64) {
		if got != want {
			t.Errorf("%s: the report says %d, /tasks/filter %d", what, got, want)
		}
	}

	quality := s.made(codes["standard"])
	q := s.facts(quality).Quality
	same("chats", q.Total.Chats, found())
	for _, o := range q.Operators {
		same(o.Name, o.Figures.Conversations, found("operator_name", o.Name))
	}
	for _, d := range q.Days {
		same(d.Date, d.Conversations, found("date_from", d.Date+"T00:00:00+03:00", "date_to", d.Date+"T23:59:59+03:00"))
	}
	if q.Total.Chats != 24 || len(q.Operators) != 2 || len(q.Days) != 2 || q.Total.Politeness == nil {
		t.Errorf("%+v of %d operators in %d days", q.Total, len(q.Operators), len(q.Days))
	}
	if !bytes.HasPrefix(quality[".pdf"], []byte("%PDF-")) || !bytes.Contains(quality[".html"], []byte("My organisation")) || !bytes.HasPrefix(quality[".xlsx"], []byte("PK")) {
		t.Error("the files are not what they are called")
	}

	b := s.facts(s.made(codes["business"])).Business
	for score, n := range b.CSATs {
		same(fmt.Sprint("CSAT ", score), n, found("customer_satisfaction_score_min", fmt.Sprint(score), "customer_satisfaction_score_max", fmt.Sprint(score)))
	}
	for _, stage := range b.Funnel {
		same(fmt.Sprint("funnel stage ", stage.ID), stage.Count, found("funnel_stage_id", fmt.Sprint(stage.ID)))
	}
	signals := 0
	for _, r := range b.Risks {
		same(fmt.Sprint("risk ", r.ID), r.Count, found("risk_signal_id", fmt.Sprint(r.ID)))
		signals += int(r.Count)
	}
	if signals == 0 {
		t.Error("nobody who says that they will leave is a risk")
	}
	outcomes := map[int64]int64{}
	for _, reason := range b.Reasons {
		for _, o := range reason.Outcomes {
			outcomes[o.ID] += o.Count
		}
	}
	for id, n := range outcomes {
		same(fmt.Sprint("outcome ", id), n, found("resolved_status_id", fmt.Sprint(id)))
	}

	d := s.facts(s.made(codes["daily"])).Daily
	hours := int64(0)
	for _, h := range d.Hours {
		hours += h.Conversations
	}
	same("all hours", hours, found())

	reports := func() string {
		if n := s.total(url.Values{"task_type": {"callreport"}, "status": {"completed"}}); n != 3 {
			return fmt.Sprintf("%d reports are found", n)
		}
		return ""
	}
	s.eventually(15*time.Second, "the filter finds the reports", reports)
	s.flushRedis()
	s.eventually(startTimeout, "the files are there without Redis' memory", func() string {
		if err := s.Get(s.Context(), "/gettask", url.Values{"task_code": {codes["standard"]}}, nil); err != nil {
			return err.Error()
		}
		return ""
	})
	if again := s.made(codes["standard"]); !bytes.Equal(again[".pdf"], quality[".pdf"]) {
		t.Error("the PDF is another one")
	}
	s.remade(codes["standard"])
}

// remade has `earshot report` make a report again: all but the PDF is the same, byte by
// byte, and the database gives the same facts.
func (s *stack) remade(code string) {
	s.Helper()
	data, env := s.data, s.env
	if s.brokers == "" {
		s.stop() // one process at a time has the embedded engines
		defer s.start()
	} else { // the running program's folder has the files, and is its own
		data, env = s.TempDir(), append(slices.Clone(s.env), "EARSHOT_BLOB_URL=file://"+filepath.Join(s.data, "blobs"))
	}
	cmd := exec.Command(*program, "report", "--data", data, "--dir", s.TempDir(), "--recompute", code)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(" files are the same, byte by byte")) || !bytes.Contains(out, []byte("the database gives the same facts")) {
		s.Errorf("earshot report: %v\n%s", err, out)
	}
}

// TestKilledWhileReportsAreMade kills the program at random moments while it
// makes reports: each is made, once, and paid for once.
func TestKilledWhileReportsAreMade(t *testing.T) {
	const reports, kills = 5, 4
	s := newStack(t)
	s.start()
	s.chatsOfReports(8)
	var codes []string
	for i := range reports {
		code, err := s.order("business", fmt.Sprint("key-", i))
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	status := func(want string) (n int) {
		for _, code := range codes {
			if t, err := s.Task(s.Context(), code); err == nil && t.Status == want {
				n++
			}
		}
		return n
	}
	for kill := range kills {
		s.eventually(time.Minute, "a report is being made", func() string {
			if status("processing") == 0 && status("completed") < reports {
				return "all wait"
			}
			return ""
		})
		time.Sleep(time.Duration(rand.Int64N(int64(time.Second)))) // the random moment itself
		t.Logf("kill %d: %d reports are being made, %d are", kill+1, status("processing"), status("completed"))
		s.kill()
		s.start()
	}
	for i, code := range codes {
		files := s.made(code)
		if !bytes.HasPrefix(files[".pdf"], []byte("%PDF-")) || s.facts(files).Business.Total.Chats != 8 {
			t.Errorf("report %d is broken", i)
		}
		if again, err := s.order("business", fmt.Sprint("key-", i)); err != nil || again != code {
			t.Errorf("the key of report %d now gives %q, %v", i, again, err)
		}
	}
	s.eventually(30*time.Second, "every consumer at the end of the log", s.lagging)
	paid := fmt.Sprintf("SELECT count(), uniqExact(task_code), sum(units) FROM usage FINAL WHERE resource = '%s'", schemas.ResourceReports)
	s.eventually(15*time.Second, paid, func() string {
		if got := s.sql(paid); !slices.Equal(got[0], []string{"5", "5", "5"}) {
			return fmt.Sprint(got)
		}
		return ""
	})
	tariff, _ := s.get("/user/tariff")["tariff"].(map[string]any)
	if used, _ := tariff["usage"].(map[string]any); used["used_report_count"] != float64(reports) {
		t.Errorf("used: %v", used)
	}
	if letters := s.deadLetters(); len(letters) > 0 {
		t.Errorf("%d dead letters; the first: %s", len(letters), letters[0].Reason)
	}
}
