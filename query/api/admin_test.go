package api

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
)

func (s *service) patch(t *testing.T, path, token, body string) reply {
	t.Helper()
	return s.send(t, http.MethodPatch, path, token, strings.NewReader(body), "Content-Type", "application/json")
}

func TestAdministratorsManageUsers(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	email := "new." + x.email
	r := the.post(t, "/admin/users", x.token, map[string]string{"email": " New." + strings.ToUpper(x.email) + " "})
	r.want(t, 200, 0)
	generated, _ := r.at("password").(string)
	if want := map[string]any{"id": 2.0, "email": email, "role": "agent", "locale": "en", "disabled": false}; !reflect.DeepEqual(r.at("user"), want) || len(generated) < 20 {
		t.Errorf("%s, want %v", r.raw, want)
	}
	list := the.get(t, "/admin/users", x.token)
	list.want(t, 200, 0)
	list.has(t, "users.1", r.at("user"))
	list.has(t, "users.0.email", x.email)
	if strings.Contains(list.raw, "argon2") || strings.Contains(r.raw, "argon2") {
		t.Error("the hash of a password is shown")
	}
	fresh := tenant{org: x.org, email: email}
	token, _ := login(t, fresh, generated)
	// Who is no administrator is told so, whatever is asked for.
	for _, r := range []reply{the.get(t, "/admin/users", token), the.post(t, "/admin/users", token, map[string]string{"email": "a@b.example"}),
		the.patch(t, "/admin/users/1", token, `{"disabled":true}`), the.post(t, "/admin/users/1/password", token, "")} {
		r.want(t, 200, schemas.CodeAccessDenied)
	}
	the.patch(t, "/admin/users/2", x.token, `{"role":"supervisor","locale":"ru"}`).want(t, 200, 0)
	r = the.patch(t, "/admin/users/2", x.token, `{"disabled":true}`)
	r.want(t, 200, 0)
	r.has(t, "user", map[string]any{"id": 2.0, "email": email, "role": "supervisor", "locale": "ru", "disabled": true})
	the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
	the.post(t, "/auth/login", "", credentials(email, generated)).want(t, 401, schemas.CodeUnauthorized)
	the.patch(t, "/admin/users/2", x.token, `{"disabled":false}`).want(t, 200, 0)
	the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken) // what was void stays void
	token, _ = login(t, fresh, generated)
	the.post(t, "/admin/users/2/password", x.token, map[string]string{"password": "chosen by the boss"}).want(t, 200, 0)
	the.get(t, "/user/tariff", token).want(t, 401, schemas.CodeBadToken)
	login(t, fresh, "chosen by the boss")
	r = the.post(t, "/admin/users/2/password", x.token, "")
	r.want(t, 200, 0)
	login(t, fresh, r.at("password").(string))

	// Another organisation's user answers as a missing one.
	for _, path := range []string{"/admin/users/2", "/admin/users/99", "/admin/users/0", "/admin/users/x"} {
		the.patch(t, path, other.token, `{"disabled":true}`).want(t, 200, schemas.CodeUserNotFound)
		the.post(t, path+"/password", other.token, "").want(t, 200, schemas.CodeUserNotFound)
	}
	if r := the.get(t, "/admin/users", other.token); strings.Contains(r.raw, x.email) {
		t.Error(r.raw)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	for body, code := range map[string]schemas.Code{
		`{}`: schemas.CodeMissing, `[`: schemas.CodeInvalid, `{"email":7}`: schemas.CodeInvalid, `{"email":"nobody"}`: schemas.CodeUserInvalid,
		`{"email":"A <a@b.example>"}`: schemas.CodeUserInvalid, `{"email":"a@b.example","role":"boss"}`: schemas.CodeUserInvalid,
		`{"email":"a@b.example","locale":"de"}`: schemas.CodeUserInvalid, `{"email":"a@b.example","password":"short"}`: schemas.CodeBadPassword,
		`{"email":"` + x.email + `"}`:                      schemas.CodeEmailTaken,
		`{"email":"` + strings.ToUpper(other.email) + `"}`: schemas.CodeEmailTaken, // anywhere on the installation
	} {
		the.post(t, "/admin/users", x.token, body).want(t, 200, code)
	}
	for body, code := range map[string]schemas.Code{`{"role":"boss"}`: schemas.CodeUserInvalid, `{"locale":"xx"}`: schemas.CodeUserInvalid, `{"disabled":"yes"}`: schemas.CodeInvalid,
		`{"role":"agent"}`: schemas.CodeUserInvalid, `{"disabled":true}`: schemas.CodeUserInvalid} { // the last two: nobody could administrate any more
		the.patch(t, "/admin/users/1", x.token, body).want(t, 200, code)
	}
	the.get(t, "/user/tariff", x.token).want(t, 200, 0)
}

// Two who ask for the same address at once do not both get it, and no change is
// lost that was made beside another.
func TestChangesOfAccountsTakeTurns(t *testing.T) {
	x := newTenant(t)
	type result struct {
		change string
		reply
	}
	results := make(chan result)
	for range 4 {
		go func() {
			results <- result{"create", the.post(t, "/admin/users", x.token, map[string]string{"email": "same." + x.email})}
		}()
	}
	created := 0
	for range 4 {
		r := <-results
		switch r.at("error_code") {
		case 0.0:
			created++
		case float64(schemas.CodeEmailTaken):
		default:
			t.Error(r.raw)
		}
	}
	if created != 1 {
		t.Errorf("one address was given %d times", created)
	}
	for _, body := range []string{`{"role":"supervisor"}`, `{"locale":"ru"}`, `{"disabled":true}`} {
		go func() { results <- result{body, the.patch(t, "/admin/users/2", x.token, body)} }()
	}
	for range 3 {
		r := <-results
		r.want(t, 200, 0)
	}
	list := the.get(t, "/admin/users", x.token)
	list.has(t, "users.1", map[string]any{"id": 2.0, "email": "same." + x.email, "role": "supervisor", "locale": "ru", "disabled": true})
}

func TestTariffIsPricedByRegion(t *testing.T) {
	list, err := schemas.ParsePrices([]byte(`currency: EUR
rates:
  EUR: {minute: 0.08, chat: 0.01, transcription: 0.02}
  USD: {minute: 0.09, chat: 0.012, transcription: 0.025}
plans:
- {id: 1, identifier: both, name: Both, months: 1, package: {EUR: 400, USD: 99.9}, limits: {chat_count: 1, call_minutes: 5}}
- {id: 2, identifier: euro, name: Euro, months: 1, package: {EUR: 400.10}, limits: {chat_count: 5}}
- {id: 3, identifier: volume, name: Volume, months: 1, discount: 20, limits: {chat_count: -1}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		plan, header, currency string
		value                  float64
	}{
		{"both", "en", "USD", 99.9}, {"both", "en-US,en;q=0.9", "USD", 99.9}, {"both", "en-IE", "EUR", 400.0}, {"both", "de", "EUR", 400.0},
		{"both", "ru", "EUR", 400.0}, {"both", "ru, en;q=0.5", "USD", 99.9}, {"both", "", "EUR", 400.0}, {"both", ";;;", "EUR", 400.0},
		{"both", strings.Repeat("en,", 100), "EUR", 400.0}, {"euro", "en", "EUR", 400.1}, {"volume", "en", "USD", 0.0},
	} {
		sub := planOf(list, c.plan).Subscribe(time.Now().Add(-time.Hour))
		r := the.get(t, "/user/tariff", newTenantWith(t, &sub).token, "Accept-Language", c.header)
		r.want(t, 200, 0)
		r.has(t, "tariff.price", map[string]any{"currency": c.currency, "value": c.value})
		r.has(t, "tariff.cost", map[string]any{"currency": c.currency, "package": c.value, "overage": 0.0, "total": c.value})
	}
}

func planOf(list schemas.PriceList, identifier string) schemas.Plan {
	for _, p := range list.Plans {
		if p.Identifier == identifier {
			return p
		}
	}
	panic(identifier)
}

// With overage the quota does not block; what is beyond is counted, and priced
// without a cent of drift.
func TestOverageIsCountedAndPriced(t *testing.T) {
	sub := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	sub.Limits = map[string]int64{schemas.ResourceChats: 1, schemas.ResourceCallMinutes: 1}
	sub.Overage = true
	x := newTenantWith(t, &sub)
	var codes []string
	for i := range 4 {
		codes = append(codes, submitChat(t, x, map[string]any{"text": fmt.Sprint("Operator: hello ", i)}))
	}
	call := upload(t, the.service, x, file("a.wav", wave(125, 4000, 1)))
	call.want(t, 200, 0)
	plain := upload(t, the.service, x, file("b.wav", wave(61, 4000, 1)), field("processing_type", "transcription"))
	plain.want(t, 200, 0)
	for _, code := range append(codes, call.at("code").(string), plain.at("code").(string)) {
		use(t, x, code)
	}
	r := the.get(t, "/user/tariff", x.token)
	for path, want := range map[string]any{"tariff.overage": true, "tariff.limits.chat_count": 1.0, "tariff.remaining_resources.available_chat_count": 0.0,
		"tariff.cost": map[string]any{"currency": "EUR", "package": 600.0, "overage": 0.211, "total": 600.211}} { // 3 × 0.009 + 2 × 0.072 + 2 × 0.02
		r.has(t, path, want)
	}
	if !strings.Contains(r.raw, `"total":600.211`) {
		t.Error(r.raw)
	}
	sub.Overage = false
	put(t, x.org, schemas.KindPlan, x.org, 2, sub)
	the.post(t, "/add_chat_analysis_task", x.token, map[string]any{"text": "Operator: one more"}).want(t, 200, schemas.CodeQuota)
	upload(t, the.service, x, file("c.wav", wave(3, 4000, 1))).want(t, 200, schemas.CodeQuota)
}

// use settles what a task holds, as the warehouse does when it is completed.
func use(t *testing.T, x tenant, code string) {
	t.Helper()
	task := submitted(t, x, code)
	used := func() int64 {
		q, err := the.store.Quota(t.Context(), x.org)
		if err != nil {
			t.Fatal(err)
		}
		return q.Resources[task.Resource].Used
	}
	before := used()
	record, err := new(schemas.Codec).Record(schemas.TopicUsage, "test", schemas.UsageRecorded{ID: code + "/" + task.Resource, Org: x.org, TaskCode: code,
		Resource: task.Resource, Units: task.Reserved, At: time.Now().UTC(), Processing: task.Processing})
	if err != nil {
		t.Fatal(err)
	}
	client, err := the.engines.Kafka()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the usage is counted", func() bool { return used() == before+task.Reserved })
}

func TestPlans(t *testing.T) {
	x := newTenant(t)
	r := the.get(t, "/plans", x.token, "Accept-Language", "en")
	r.want(t, 200, 0)
	for path, want := range map[string]any{
		"currency": "EUR", "rates": map[string]any{"minute": 0.08, "chat": 0.01, "transcription": 0.02}, "chat_bytes": 51200.0,
		"plans.0.identifier": "pro", "plans.0.price": map[string]any{"currency": "EUR", "value": 400.0}, "plans.0.limits.call_minutes": 5000.0, "plans.0.storage_days": 365.0,
		"plans.1.discount": 10.0, "plans.1.rates": map[string]any{"minute": 0.072, "chat": 0.009, "transcription": 0.02}, "plans.2.price": nil, "plans.2.rates.minute": 0.064,
		"plans.3.identifier": "on_premise", "plans.3.rates.minute": 0.0,
		"on_premise.0.name": "Hardware (2× DGX Spark)", "on_premise.0.one_time": map[string]any{"currency": "EUR", "value": 26000.0}, "on_premise.0.monthly": nil,
		"on_premise.0.minutes_per_day": []any{15000.0, 30000.0}, "on_premise.0.chats_per_day": []any{50000.0, 120000.0},
		"on_premise.2.monthly": map[string]any{"currency": "EUR", "value": 1900.0},
	} {
		r.has(t, path, want)
	}
	the.get(t, "/plans", x.token, "Accept-Language", "ru").has(t, "on_premise.1.name", "Лицензия на программное обеспечение")
}

// Whoever submits at once, no more is taken than there is, over HTTP as in the
// store.
func TestQuotaIsNotOversoldByTwoHundredAtOnce(t *testing.T) {
	sub := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	sub.Limits = map[string]int64{schemas.ResourceChats: 50}
	x := newTenantWith(t, &sub)
	results := make(chan reply, 200)
	for i := range 200 {
		go func() {
			results <- the.post(t, "/add_chat_analysis_task", x.token, map[string]any{"text": fmt.Sprint("Operator: number ", i)})
		}()
	}
	codes := map[any]int{}
	tasks := map[any]bool{}
	for range 200 {
		r := <-results
		codes[r.at("error_code")]++
		if r.at("error_code") == 0.0 {
			tasks[r.at("task_code")] = true
		}
	}
	if want := map[any]int{0.0: 50, float64(schemas.CodeQuota): 150}; !reflect.DeepEqual(codes, want) || len(tasks) != 50 {
		t.Errorf("answers %v, %d tasks; want %v", codes, len(tasks), want)
	}
	q, err := the.store.Quota(t.Context(), x.org)
	if a := q.Resources[schemas.ResourceChats]; err != nil || a.Used+a.Reserved != 50 || a.Left() != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}
