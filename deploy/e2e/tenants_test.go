package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/golang-jwt/jwt/v5"

	"earshot/deploy/client"
	"earshot/schemas"
)

// Of the second organisation.
const (
	otherOrg   = "org_0e2e0e2e0e2e"
	otherEmail = "other@example.com"
)

// secret signs the tokens here, so that the test can sign others.
const secret = "0123456789abcdef0123456789abcdef"

// secondOrganisation puts another organisation on the log, with a plan, a user
// and a directory, and logs its user in.
func (s *stack) secondOrganisation() *client.Client {
	s.Helper()
	hash, err := argon2id.CreateHash(passwordHash(password), argon2id.DefaultParams)
	if err != nil {
		s.Fatal(err)
	}
	s.publish(schemas.TopicEntities,
		entity(s, otherOrg, schemas.KindOrganisation, otherOrg, schemas.Organisation{ID: otherOrg, Name: "Other", Locale: "en"}),
		entity(s, otherOrg, schemas.KindPlan, otherOrg, schemas.Plans["pro"].Subscribe(time.Now().Add(-time.Hour))),
		entity(s, otherOrg, schemas.KindDirectory, "71", schemas.Directory{ID: 71, Name: "Theirs"}),
		entity(s, otherOrg, schemas.KindUser, "1", schemas.User{ID: 1, Org: otherOrg, Email: otherEmail, PasswordHash: hash, Locale: "en", Role: "admin"}))
	other := client.New(s.Base)
	s.eventually(20*time.Second, "the other organisation's user logs in", func() string {
		if err := other.Login(s.Context(), otherEmail, password); err != nil {
			return err.Error()
		}
		return ""
	})
	if got := org(s, other); got != otherOrg {
		s.Fatalf("the other user's token is for %s", got)
	}
	return other
}

// TestAnotherTenantsIDsAnswerAsIfMissing asks every endpoint, as one
// organisation, for what belongs to the other: the answer is the same, byte for
// byte, as for an id that nobody has.
func TestAnotherTenantsIDsAnswerAsIfMissing(t *testing.T) {
	s := newStack(t, append(speech(t), "EARSHOT_JWT_SECRET="+secret)...)
	s.start()
	other := s.secondOrganisation() // restarts the program where the log is embedded

	code := s.chat(sample(t, "chats/01-sale-upsell-en.json"))
	for range 3 { // so that ids go beyond the other organisation's
		code = s.chat(sample(t, "chats/02-refund-angry-en.json"))
	}
	s.done(code)
	theirs := s.chatAs(other)
	id := fmt.Sprint(int64(s.get("/gettask?task_code=" + code)["id"].(float64)))

	// As long as the others', because answers may repeat them.
	const nobodys, nobodysID, nobodysDirectory = "00000000-0000-7000-8000-000000000000", "9", "72"
	filter := func(name, value string) string { return "?" + url.Values{name: {value}}.Encode() }
	for _, c := range []struct{ method, path, mine, missing string }{
		{"GET", "/gettask?task_code=%s", code, nobodys},
		{"GET", "/api/calls_analysis_v2/%s", code, nobodys},
		{"GET", "/api/calls_analysis/%s", code, nobodys},
		{"GET", "/tasks/filter" + filter("task_code", "%s"), code, nobodys},
		{"GET", "/user/tasks/filter" + filter("task_code", "%s"), code, nobodys},
		{"GET", "/tasks/filter?task_id=%s", id, nobodysID},
		{"GET", "/user/tasks/filter?task_id=%s", id, nobodysID},
		{"GET", "/tasks/filter?message=%s", "headphones", "zebras"},
		{"GET", "/tasks/filter?operator_name=%s", "Oscar", "Nobody"},
	} {
		c.path = strings.ReplaceAll(c.path, "%25s", "%s")
		mine := s.call(s.Client, c.method, fmt.Sprintf(c.path, c.mine), nil, nil)
		if mine.status != http.StatusOK || !bytes.Contains(mine.body, []byte(code)) {
			t.Errorf("%s %s: its own organisation gets HTTP %d %s", c.method, c.path, mine.status, mine.body)
		}
		s.sameForStrangers(other, c.method, c.path, c.mine, c.missing, nil)
	}
	for _, path := range []string{"/tasks/filter", "/user/tasks/filter"} {
		s.sameForStrangers(other, "POST", path, code, nobodys, func(id string) (http.Header, []byte) {
			return http.Header{"Content-Type": {"application/json"}}, []byte(`{"task_code": "` + id + `"}`)
		})
	}
	// The directory 71 is the other's; the first organisation cannot file there.
	recording := tone(3*time.Second, 500)
	for _, path := range []string{"/addtaskcall", "/addtaskaudio"} {
		s.sameForStrangers(s.Client, "POST", path, "71", nobodysDirectory, func(id string) (http.Header, []byte) {
			return form(t, "a.wav", recording, map[string]string{"directory_id": id})
		})
	}
	for _, kind := range []string{"docx_call", "txt_call", "audio"} {
		s.sameForStrangers(other, "GET", "/get_file?file_type="+kind+"&task_code=%s", code, nobodys, nil)
	}

	s.checkSeparate(other, code, theirs)
	s.checkTokens()
}

// sameForStrangers asks for an id that is another's and for one that is
// nobody's. Only the id itself may differ in the answers.
func (s *stack) sameForStrangers(as *client.Client, method, path, theirs, nobodys string, body func(id string) (http.Header, []byte)) {
	s.Helper()
	ask := func(id string) string {
		header, raw := http.Header{}, []byte(nil)
		if body != nil {
			header, raw = body(id)
		}
		header.Set("X-Request-Id", "the-same")
		target := path
		if strings.Contains(path, "%s") {
			target = fmt.Sprintf(path, id)
		}
		a := s.call(as, method, target, header, raw)
		a.header.Del("Date")
		if a.status >= 500 {
			s.Errorf("%s %s: HTTP %d %s", method, target, a.status, a.body)
		}
		names := slices.Sorted(maps.Keys(a.header))
		var lines []string
		for _, name := range names {
			lines = append(lines, fmt.Sprint(name, a.header[name]))
		}
		body := strings.ReplaceAll(string(a.body), id, "ID")
		return fmt.Sprintf("HTTP %d\n%s\n%s", a.status, strings.Join(lines, "\n"), body)
	}
	if a, b := ask(theirs), ask(nobodys); a != b {
		s.Errorf("%s %s tells another's from missing:\n%s\n\n%s", method, path, a, b)
	}
}

// chatAs submits a chat for the other organisation and waits for it.
func (s *stack) chatAs(c *client.Client) (code string) {
	s.Helper()
	code, err := c.Chat(s.Context(), newTask(1, false).chat, "")
	if err == nil {
		_, err = c.Wait(s.Context(), code, 50*time.Millisecond)
	}
	if err != nil {
		s.Fatal(err)
	}
	return code
}

// checkSeparate checks what is counted, listed and remembered by organisation.
func (s *stack) checkSeparate(other *client.Client, mine, theirs string) {
	s.Helper()
	list := s.call(other, http.MethodGet, "/tasks/filter", nil, nil)
	if bytes.Contains(list.body, []byte(mine)) || !bytes.Contains(list.body, []byte(theirs)) {
		s.Errorf("the other organisation lists %s", list.body)
	}
	login := s.call(&client.Client{Base: s.Base, HTTP: s.HTTP}, http.MethodPost, "/auth/login", nil,
		map[string]string{"email": otherEmail, "password_hash": passwordHash(password)})
	if last, _ := login.json(s)["last_tasks"].([]any); len(last) != 1 || bytes.Contains(login.body, []byte(mine)) {
		s.Errorf("the other organisation's login says %s", login.body)
	}
	s.eventually(20*time.Second, "each organisation pays for its own chats", func() string {
		a := s.call(other, http.MethodGet, "/user/tariff", nil, nil)
		used, ok := a.json(s)["tariff"].(map[string]any)["usage"].(map[string]any)["used_chat_count"]
		if chats, _ := s.usage(); !ok || used != 1.0 || chats != 4 {
			return fmt.Sprintf("4 and 1 were analysed, %d and %v are counted", chats, used)
		}
		return ""
	})
	// One Idempotency-Key of two organisations is two keys, one file name two files.
	k := newTask(5, false)
	a, err1 := k.submit(s.Context(), s.Client)
	b, err2 := k.submit(s.Context(), other)
	if err1 != nil || err2 != nil || a == b {
		s.Errorf("one key of two organisations gives %q, %v and %q, %v", a, err1, b, err2)
	}
	file := newTask(19, true)
	file.key = ""
	if _, err := file.submit(s.Context(), s.Client); err != nil {
		s.Errorf("upload: %v", err)
	}
	if _, err := file.submit(s.Context(), other); err != nil {
		s.Errorf("the same upload by another organisation: %v", err)
	}
}

// checkTokens asks every private endpoint without a token and with bad ones.
func (s *stack) checkTokens() {
	s.Helper()
	now := time.Now()
	forged := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{"org": org(s, s.Client), "sub": "1", "iss": "earshot", "aud": "earshot-api",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
		change(claims)
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			s.Fatal(err)
		}
		return token
	}
	same := func(jwt.MapClaims) {}
	without := func(claim string) func(jwt.MapClaims) { return func(c jwt.MapClaims) { delete(c, claim) } }
	with := func(claim string, value any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[claim] = value } }
	ours := func(change func(jwt.MapClaims)) string { return forged(jwt.SigningMethodHS256, []byte(secret), change) }
	if a := s.call(&client.Client{Base: s.Base, HTTP: s.HTTP, Token: ours(same)}, http.MethodGet, "/user/tariff", nil, nil); a.status != http.StatusOK {
		s.Errorf("a token as the program makes them: HTTP %d %s; the ones below prove nothing", a.status, a.body)
	}
	tokens := map[string]string{
		"none":            "",
		"not a token":     "abc",
		"unsigned":        forged(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same),
		"another's key":   forged(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), same),
		"another method":  forged(jwt.SigningMethodHS512, []byte(secret), same),
		"another payload": graft(s.Token, ours(with("org", otherOrg))),
		"no expiry":       ours(without("exp")),
		"expired":         ours(with("exp", now.Add(-time.Hour).Unix())),
		"no audience":     ours(without("aud")),
		"other audience":  ours(with("aud", "somebody-else")),
		"other issuer":    ours(with("iss", "somebody-else")),
		"nobody's":        ours(with("sub", "99")),
		"no organisation": ours(without("org")),
	}
	for _, endpoint := range []string{"GET /user/tariff", "GET /user/vocabulary", "PUT /user/vocabulary", "POST /addtaskcall", "POST /add_chat_analysis_task", "GET /gettask",
		"GET /tasks/filter", "POST /tasks/filter", "GET /user/tasks/filter", "POST /user/tasks/filter",
		"GET /api/calls_analysis/x", "GET /api/calls_analysis_v2/x", "GET /dictionaries", "POST /addtaskaudio", "GET /get_file"} {
		method, path, _ := strings.Cut(endpoint, " ")
		for what, token := range tokens {
			a := s.call(&client.Client{Base: s.Base, HTTP: s.HTTP, Token: token}, method, path, nil, nil)
			if doc := a.json(s); a.status != http.StatusUnauthorized || doc["success"] != false {
				s.Errorf("%s with %s token: HTTP %d %s", endpoint, what, a.status, a.body)
			}
		}
	}
}

// graft gives a token the payload of another one and keeps its signature.
func graft(token, other string) string {
	parts := strings.Split(token, ".")
	parts[1] = strings.Split(other, ".")[1]
	return strings.Join(parts, ".")
}
