package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"gocloud.dev/blob/memblob"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is accounts over a log and a state of the test's own.
type house struct {
	*Accounts
	t       *testing.T
	rdb     *redis.Client
	auditor *ingest.Auditor
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t}
	var topics []kfake.Opt
	for _, topic := range schemas.Topics {
		topics = append(topics, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(append(topics, kfake.NumBrokers(1))...)
	h.must(err)
	t.Cleanup(cluster.Close)
	client := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
	}
	h.rdb = redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { h.rdb.Close() })
	store := state.New(h.rdb, state.Config{})
	producer, err := client()
	h.must(err)
	t.Cleanup(producer.Close)
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	var codec schemas.Codec
	metrics, log := schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- state.NewProjection(store, client, &codec, metrics, log).Run(ctx) }()
	t.Cleanup(func() { cancel(); h.must(<-done) })
	h.must(store.AwaitReady(t.Context()))
	door := ingest.NewDoor(ingest.Config{ProduceTimeout: 20 * time.Second}, store, producer, &codec, bucket, metrics, log)
	h.Accounts, h.auditor = New(store, door, schemas.DefaultPrices), ingest.NewAuditor(producer, &codec, metrics, log)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// flush empties Redis and waits until the state is built again.
func (h *house) flush() {
	h.t.Helper()
	h.must(h.rdb.FlushAll(h.t.Context()).Err())
	h.must(h.store.AwaitReady(h.t.Context()))
}

// admin runs `earshot admin ARGS` with stdin and gives what it prints.
func (h *house) admin(stdin, args string) (string, error) {
	h.t.Helper()
	var out bytes.Buffer
	var c Commands
	parser, err := kong.New(&c, kong.BindTo(h.t.Context(), (*context.Context)(nil)))
	h.must(err)
	parsed, err := parser.Parse(strings.Fields(args))
	if err != nil {
		return "", err
	}
	err = parsed.Run(&Console{In: strings.NewReader(stdin), Out: &out, Open: func(_ context.Context, do func(*Accounts, *ingest.Auditor) error) error {
		return do(h.Accounts, h.auditor)
	}})
	return out.String(), err
}

func codeOf(err error) schemas.Code {
	var coded *schemas.Error
	errors.As(err, &coded)
	if coded == nil {
		return 0
	}
	return coded.Code
}

func TestCommands(t *testing.T) {
	h := newHouse(t)
	run := func(stdin, args string) string {
		t.Helper()
		out, err := h.admin(stdin, args)
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		return out
	}
	org := strings.TrimSpace(run("", "org create Acme --locale ru"))
	if out := run("", "org list"); !strings.Contains(out, org) || !strings.Contains(out, "Acme") {
		t.Error(out)
	}
	out := run("", "user create boss@acme.example --role admin --org "+org)
	_, generated, _ := strings.Cut(strings.TrimSuffix(out, " (shown once)\n"), "password ")
	run("a password from a file\n", "user create agent@acme.example --password-stdin --org "+org)
	h.flush() // all of it is on the log
	if out := run("", "user list --org "+org); !strings.Contains(out, "boss@acme.example") || !strings.Contains(out, "agent@acme.example") || out != run("", "user list") {
		t.Error(out)
	}
	right := func(email, password string) bool {
		t.Helper()
		u, err := h.ByEmail(t.Context(), email)
		h.must(err)
		right, err := h.Right(t.Context(), u, ingest.PasswordHash(password))
		h.must(err)
		if u.Locale != "ru" {
			t.Errorf("locale %q", u.Locale)
		}
		return right
	}
	if !right("boss@acme.example", generated) || !right("agent@acme.example", "a password from a file") || right("agent@acme.example", generated) {
		t.Error("the passwords are others")
	}
	run("another password altogether\r\n", "user password agent@acme.example --password-stdin")
	if !right("agent@acme.example", "another password altogether") {
		t.Error("the new password is another")
	}
	run("", "user role agent@acme.example supervisor")
	run("", "user disable agent@acme.example")
	u, err := h.ByEmail(t.Context(), "agent@acme.example")
	if err != nil || !u.Disabled || u.Role != schemas.RoleSupervisor || u.Epoch != 2 {
		t.Errorf("%+v, %v", u, err)
	}
	run("", "user enable agent@acme.example")
	run("", "org disable "+org)
	if o, err := h.Organisation(t.Context(), org); err != nil || !o.Disabled || o.Name != "Acme" {
		t.Errorf("%+v, %v", o, err)
	}
	run("", "org enable "+org)
	if out := run("", "plan list"); !strings.Contains(out, "enterprise_plus") || !strings.Contains(out, "0.064") {
		t.Error(out)
	}
	run("", "plan set "+org+" pro --periods 2 --overage --price 350.50")
	if out := run("", "plan list --org "+org); strings.Count(out, "350.5 EUR") != 2 || !strings.Contains(out, "at a price") {
		t.Error(out)
	}
	for args, code := range map[string]schemas.Code{
		"user create boss@acme.example --org " + org: schemas.CodeEmailTaken, "user create nobody --org " + org: schemas.CodeUserInvalid,
		"user create new@acme.example --org org_none": schemas.CodeUserInvalid, "user disable nobody@acme.example": schemas.CodeUserNotFound,
		"user disable boss@acme.example": schemas.CodeUserInvalid, "org disable org_none": schemas.CodeUserInvalid,
		"plan set " + org + " gold": schemas.CodePlanNotFound, "plan set org_none pro": schemas.CodeUserInvalid, "plan set " + org + " pro --periods 999": schemas.CodeUserInvalid,
	} {
		if _, err := h.admin("", args); codeOf(err) != code {
			t.Errorf("%s: %v, want %d", args, err, code)
		}
	}
	for _, args := range []string{"user password boss@acme.example --password-stdin", "user role boss@acme.example king", "plan set " + org + " pro --price much"} {
		if _, err := h.admin("", args); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}

func TestSchedules(t *testing.T) {
	h := newHouse(t)
	made, err := h.admin("", "org create Acme")
	h.must(err)
	org := strings.TrimSpace(made)
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := schemas.ReportSchedule{ID: 1, Name: "Boss", Every: schemas.EveryWeek, At: "08:00", Zone: "Europe/Berlin", ReportType: schemas.ReportStandard,
		Emails: []string{"a@b.example"}, Webhooks: []schemas.Webhook{{URL: "https://example.com/token"}}, Active: true, Since: since}
	h.must(h.door.Save(t.Context(), org, schemas.KindSchedule, "1", s))
	h.must(h.door.Save(t.Context(), org, schemas.KindScheduleRun, "1", schemas.ScheduleRun{Schedule: 1, Reports: []schemas.Scheduled{{From: "2026-10-05", Error: "no \x1b[2J\u202eplan"}}}))
	for _, step := range []struct{ command, shows string }{
		{"schedule list --org " + org, "no [2Jplan"}, {"schedule disable " + org + " 1", ""}, {"schedule list", "off"}, {"schedule enable " + org + " 1", ""}, {"schedule list", "08:00 CE"},
	} {
		out, err := h.admin("", step.command)
		if err != nil || !strings.Contains(out, step.shows) || strings.Contains(out, "token") {
			t.Errorf("%s: %s %v", step.command, out, err)
		}
	}
	kept, err := state.Get[schemas.ReportSchedule](t.Context(), h.store, org, schemas.KindSchedule, 1)
	h.must(err)
	if !kept.Active || !kept.Since.After(since) {
		t.Errorf("%+v", kept)
	}
	for _, command := range []string{"schedule enable " + org + " 2", "schedule disable org_nobody 1"} {
		if _, err := h.admin("", command); codeOf(err) != schemas.CodeNoRecord {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	o, err := h.CreateOrganisation(ctx, "Acme", "en")
	h.must(err)
	subscribe := func(plan string, terms Terms) []schemas.Subscription {
		t.Helper()
		_, err := h.Subscribe(ctx, o.ID, plan, terms)
		h.must(err)
		all, err := h.Subscriptions(ctx, o.ID)
		h.must(err)
		return all
	}
	all := subscribe("pro", Terms{Periods: 3})
	if len(all) != 3 || !all[1].Start.Equal(all[0].End) || !all[2].Start.Equal(all[1].End) || time.Since(all[0].Start) > time.Minute {
		t.Fatalf("%+v", all)
	}
	// The same plan again changes the terms of the period that runs, and cancels
	// what was to come.
	again := subscribe("pro", Terms{Overage: true})
	if len(again) != 1 || !again[0].Start.Equal(all[0].Start) || !again[0].Overage {
		t.Errorf("%+v", again)
	}
	other := subscribe("enterprise", Terms{})
	q, err := h.store.Quota(ctx, o.ID)
	if err != nil || len(other) != 2 || q.Identifier != "enterprise" || q.Overage {
		t.Errorf("%+v, %+v, %v", other, q, err)
	}
	later := time.Now().AddDate(0, 0, 7)
	if all := subscribe("pro", Terms{Start: later}); len(all) != 3 || all[2].Start.Before(later.Add(-time.Second)) {
		t.Errorf("%+v", all)
	}
	if q, err := h.store.Quota(ctx, o.ID); err != nil || q.Identifier != "enterprise" {
		t.Errorf("what begins in a week holds now: %+v, %v", q, err)
	}
	h.flush()
	if all, err := h.Subscriptions(ctx, o.ID); err != nil || len(all) != 3 {
		t.Errorf("after Redis was lost: %+v, %v", all, err)
	}
}

// A plan that was replaced does not come back when the new one ends.
func TestAReplacedPlanIsOver(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	o, err := h.CreateOrganisation(ctx, "Acme", "en")
	h.must(err)
	changed := time.Now().AddDate(0, -3, 0)
	_, err = h.Subscribe(ctx, o.ID, "on_premise", Terms{Start: changed.AddDate(0, -1, 0)})
	h.must(err)
	_, err = h.Subscribe(ctx, o.ID, "pro", Terms{Start: changed})
	h.must(err)
	if all, err := h.Subscriptions(ctx, o.ID); err != nil || len(all) != 2 || !all[0].End.Equal(all[1].Start) {
		t.Errorf("%+v, %v", all, err)
	}
	if q, err := h.store.Quota(ctx, o.ID); codeOf(err) != schemas.CodeNoPlan {
		t.Errorf("%+v, %v", q, err)
	}
	h.flush()
	if q, err := h.store.Quota(ctx, o.ID); codeOf(err) != schemas.CodeNoPlan {
		t.Errorf("after Redis was lost: %+v, %v", q, err)
	}
}

// What is remembered of refresh tokens is bounded, and so is what can be got by
// using stolen ones fast.
func TestUsedRefreshTokens(t *testing.T) {
	h := newHouse(t)
	now := time.Now()
	end := now.Add(time.Hour)
	use := func(session string, n int, at time.Time) time.Duration {
		t.Helper()
		age, err := h.Use(t.Context(), RefreshToken{"org_1", 1, fmt.Sprint(session, n), session, now.Add(time.Duration(n) * time.Minute), end}, at)
		h.must(err)
		return age
	}
	for i := range maxUsed + 1 {
		at := now.Add(time.Duration(i+1) * time.Minute)
		if first, again := use("a", i, at), use("a", i, at.Add(time.Second)); first != 0 || again.Round(time.Second) != time.Second {
			t.Errorf("token %d: %v, then %v", i, first, again)
		}
	}
	h.flush()
	if first, second := use("a", 0, end), use("a", 1, end); first != longAgo || second >= time.Hour || second < 57*time.Minute {
		t.Errorf("%v, %v", first, second)
	}
	for i := range maxRenewed {
		use(fmt.Sprint("b", i), 0, now.Add(time.Duration(i)*time.Millisecond))
	}
	kept := func() map[string]schemas.Renewal {
		t.Helper()
		known, err := state.Get[schemas.Renewals](t.Context(), h.store, "org_1", schemas.KindRenewals, 1)
		h.must(err)
		return known.Sessions
	}
	if all := kept(); len(all) != maxRenewed || len(all["a"].Used) != maxUsed || all["b0"].Used != nil || all["b1"].Used == nil {
		t.Errorf("%d sessions: %+v", len(all), all)
	}
	over := end.Add(2 * time.Minute)
	end = over.Add(time.Hour)
	use("c", 0, over)
	if all := kept(); len(all) != 1 || len(all["c"].Used) != 1 {
		t.Errorf("what has run out is remembered: %+v", all)
	}
}

func TestBootstrapOnce(t *testing.T) {
	h := newHouse(t)
	b := Bootstrap{Email: "Admin@Localhost", Organisation: "Mine", Plan: "gold", Locale: "en"}
	if _, err := h.Bootstrap(t.Context(), b); codeOf(err) != schemas.CodePlanNotFound {
		t.Error(err)
	}
	b.Plan = "on_premise"
	password, err := h.Bootstrap(t.Context(), b)
	h.must(err)
	if again, err := h.Bootstrap(t.Context(), b); again != "" || err != nil {
		t.Error("a second first administrator", err)
	}
	u, err := h.ByEmail(t.Context(), "admin@localhost")
	h.must(err)
	if right, err := h.Right(t.Context(), u, ingest.PasswordHash(password)); !right || err != nil || u.Role != schemas.RoleAdmin || len(password) < 20 {
		t.Errorf("%+v %v", u, err)
	}
	if q, err := h.store.Quota(t.Context(), u.Org); err != nil || q.Identifier != "on_premise" {
		t.Errorf("%+v %v", q, err)
	}
}

// Whatever `earshot admin` made before the first start: an installation without
// an administrator gets its first one, and one that has one no second.
func TestBootstrapAfterCommands(t *testing.T) {
	b := Bootstrap{Email: "admin@localhost", Organisation: "Mine", Plan: "pro", Locale: "en"}
	for role, made := range map[string]bool{schemas.RoleAgent: true, schemas.RoleSupervisor: true, schemas.RoleAdmin: false} {
		h := newHouse(t)
		o, err := h.CreateOrganisation(t.Context(), "Acme", "en")
		h.must(err)
		_, err = h.admin("", "user create one@acme.example --org "+o.ID+" --role "+role)
		h.must(err)
		password, err := h.Bootstrap(t.Context(), b)
		h.must(err)
		if _, err := h.ByEmail(t.Context(), b.Email); (password != "") != made || (err == nil) != made {
			t.Errorf("after %s: password %q, %v", role, password, err)
		}
		if again, err := h.Bootstrap(t.Context(), b); again != "" || err != nil {
			t.Error("a second one", err)
		}
	}
	// Nobody's account is taken over, and the way out is said.
	h := newHouse(t)
	o, err := h.CreateOrganisation(t.Context(), "Acme", "en")
	h.must(err)
	_, err = h.admin("", "user create Admin@localhost --org "+o.ID)
	h.must(err)
	if _, err := h.Bootstrap(t.Context(), b); err == nil || !strings.Contains(err.Error(), "earshot admin user role admin@localhost admin") {
		t.Error(err)
	}
	_, err = h.admin("", "user role admin@localhost admin")
	h.must(err)
	_, err = h.Bootstrap(t.Context(), b)
	h.must(err)
}

// A process is not ready before its first administrator is, who is told once how
// to come in.
func TestFirstStart(t *testing.T) {
	h := newHouse(t)
	for _, shown := range []int{1, 0} { // the second start finds somebody
		var out bytes.Buffer
		first := &FirstStart{Accounts: h.Accounts, Config: Bootstrap{Email: "boss@acme.example", Organisation: "Mine", Plan: "on_premise", Locale: "en"}, Out: &out}
		if first.Done() == nil {
			t.Error("it is done before it began")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx) }()
		for deadline := time.Now().Add(20 * time.Second); first.Done() != nil && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil || first.Done() != nil || strings.Count(out.String(), "boss@acme.example, password ") != shown {
			t.Errorf("%v, %v, %q", err, first.Done(), out.String())
		}
	}
	if err := (&FirstStart{Accounts: newHouse(t).Accounts, Config: Bootstrap{Plan: "gold"}}).Run(t.Context()); codeOf(err) != schemas.CodePlanNotFound {
		t.Error(err)
	}
}

func TestPriceListOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plans.yaml")
	write := func(text string) *Config {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return &Config{Plans: path}
	}
	own := write("currency: USD\nrates: {USD: {minute: 1, chat: 2, transcription: 3}}\nplans:\n- {id: 9, identifier: one, name: One, months: 1, package: {USD: 10}}\n")
	if list, err := own.Prices(); err != nil || list.Plans[0].Prices["USD"].Package.String() != "10" || own.Validate() != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if err := write("plans: 7").Validate(); err == nil || !strings.Contains(err.Error(), "EARSHOT_PLANS") {
		t.Error(err)
	}
	if err := (&Config{Plans: path + "x"}).Validate(); err == nil {
		t.Error("a file that is not there")
	}
	if err := new(Config).Validate(); err != nil {
		t.Error(err)
	}
}
