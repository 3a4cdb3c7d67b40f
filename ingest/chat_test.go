package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"earshot/schemas"
)

// turns prints utterances as "operator@60 words", one a line.
func turns(us []schemas.Utterance) string {
	var lines []string
	for _, u := range us {
		at := ""
		if u.Start != nil {
			at = fmt.Sprintf("@%g", *u.Start)
		}
		lines = append(lines, u.Speaker+at+" "+strings.ReplaceAll(u.Text, "\n", "|"))
	}
	return strings.Join(lines, "\n")
}

func TestParseChatText(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain english", "Operator: Hello\nClient: Hi, my eSIM fails\nOperator: Let me check",
			"operator Hello\ncustomer Hi, my eSIM fails\noperator Let me check"},
		{"plain russian", "Оператор: Здравствуйте\nКлиент: Не работает интернет",
			"operator Здравствуйте\ncustomer Не работает интернет"},
		{"role words in names", "Агент Иван: Да\nПокупатель: Нет\nSupport bot: Rate us\nClient manager: Hm",
			"operator Да\ncustomer Нет\nsystem Rate us\noperator Hm"},
		{"no space after the colon", "Менеджер:Здравствуйте\nКлиент:Алло",
			"operator Здравствуйте\ncustomer Алло"},
		{"the other of two is the other side", "Support: Hi\nMaria Petrova: Where is my order?\nSupport: On its way\nMaria Petrova: ok",
			"operator Hi\ncustomer Where is my order?\noperator On its way\ncustomer ok"},
		{"two strangers stay unknown", "Anna: Hi\nBoris: Hi\nAnna: Bye\nBoris: Bye",
			"unknown Hi\nunknown Hi\nunknown Bye\nunknown Bye"},
		{"three sides and one known: nobody is guessed", "Support: Hi\nAnna: Hi\nBoris: Hi\nAnna: x\nBoris: y",
			"operator Hi\nunknown Hi\nunknown Hi\nunknown x\nunknown y"},
		{"a message of several lines", "Operator: Hello\nhow can I help?\n\nThe note: see below\nClient: Thanks",
			"operator Hello|how can I help?||The note: see below\ncustomer Thanks"},
		{"a field is no speaker", "Operator: Your data\nClient ID: 5021\nНомер клиента: 17\nhttps://a.example/x: y\nClient: ok",
			"operator Your data|Client ID: 5021|Номер клиента: 17|https://a.example/x: y\ncustomer ok"},
		{"markdown", "**Operator:** Hello\n**Client:** Hi", "operator Hello\ncustomer Hi"},
		{"bulleted", "- Operator: Hello\n— Клиент: Привет", "operator Hello\ncustomer Привет"},
		{"name on its own line", "Operator:\nHello there\nClient:\nHi", "operator Hello there\ncustomer Hi"},
		{"messenger export with brackets", "[20.10.2025, 10:00:01] Support: Hi\n[20.10.2025, 10:00:31] Anna: Hello\nsecond line\n[21.10.2025, 10:00:01] Support: Bye",
			"operator@0 Hi\ncustomer@30 Hello|second line\noperator@86400 Bye"},
		{"messenger export with dash", "20.10.25, 09:59 - Messages are encrypted.\n20.10.25, 10:00 - Support: Hi\n20.10.25, 10:01 - +7 900 123-45-67: Hello",
			"system@0 Messages are encrypted.\noperator@60 Hi\ncustomer@120 Hello"},
		{"american export", "[10/9/25, 11:59:50\u202fAM] Agent: Hi\n[10/9/25, 12:00:20\u202fPM] Bob: Hello\n[10/20/25, 12:00:20\u202fPM] Bob: Anyone?",
			"operator@0 Hi\ncustomer@30 Hello\ncustomer@950430 Anyone?"},
		{"bare times over midnight", "23:59 Operator: Hi\n00:01 Client: Hello", "operator@0 Hi\ncustomer@120 Hello"},
		{"iso times", "2025-10-20T10:00:00+03:00 Operator: Hi\n2025-10-20 10:00:05 Client: Hello", "operator@0 Hi\ncustomer@5 Hello"},
		{"time after the name", "Anna (10:00): hello\nOperator (10:00:30): hi", "customer@0 hello\noperator@30 hi"},
		{"time and name above the words", "Anna, [20.10.2025 10:00]\nhello\nOperator, [20.10.2025 10:02]\nhi\nthere",
			"customer@0 hello\noperator@120 hi|there"},
		{"a time in a sentence is no head", "Operator: come tomorrow\n10:00 is fine (10:00)\nsee you (10:00)\nClient: ok",
			"operator come tomorrow|10:00 is fine (10:00)|see you (10:00)\ncustomer ok"},
		{"times that run backwards in part are dropped", "10:05 Operator: a\nClient: b\n10:01 Operator: c\n10:06 Operator: d",
			"operator@0 a\ncustomer b\noperator c\noperator@60 d"},
		{"times all known are sorted", "10:05 Operator: b\n10:01 Client: a", "customer@0 a\noperator@240 b"},
		{"nobody is named", "Dialog with a customer...\n\nsecond line", "unknown Dialog with a customer...\nunknown second line"},
		{"times without names", "[00:01] Hello\n[00:05] Hi there", "unknown@0 Hello\nunknown@240 Hi there"},
		{"preamble", "Exported chat\nOperator: Hi\nClient: Hello", "system Exported chat\noperator Hi\ncustomer Hello"},
		{"dirty", "\ufeffOperator: He\x00llo\u202e\r\nClient: a\xffb\rOperator: x\u2028", "operator Hello\ncustomer a\ufffdb\noperator x"},
		{"impossible times are words", "[99:99] x\nOperator: y", "system [99:99] x\noperator y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			us, text, err := ParseChat(c.text, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := turns(us); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
			if text != schemas.DialogueText(us) {
				t.Errorf("text %q is not that of the utterances", text)
			}
			for i, u := range us {
				if u.Turn != int64(i) || u.Channel != -1 || u.Confidence != nil {
					t.Errorf("turn %d: %+v", i, u)
				}
			}
		})
	}
}

func TestOperatorNameOfTheRequestDecides(t *testing.T) {
	us, text, err := ParseChat("Olga: Hello\nPetr: Hi\nOlga: Bye\nPetr: Bye", nil, "global", "olga")
	if err != nil {
		t.Fatal(err)
	}
	if want := "Operator: Hello\nClient: Hi\nOperator: Bye\nClient: Bye"; text != want {
		t.Errorf("got %q from %+v, want %q", text, us, want)
	}
}

func TestParseChunks(t *testing.T) {
	for _, c := range []struct{ name, chunks, want string }{
		{"roles and seconds", `[{"role":"agent","text":"Hi","start":1.5},{"role":"customer","text":"Hello","start":4}]`, "operator@0 Hi\ncustomer@2.5 Hello"},
		{"iso times with zones", `[{"speaker":"Operator","text":"Hi","time":"2025-10-20T10:00:00+03:00"},{"speaker":"Anna","text":"Hello","time":"2025-10-20T07:00:07Z"}]`, "operator@0 Hi\ncustomer@7 Hello"},
		{"unix seconds and milliseconds", `[{"speaker":"Operator","text":"Hi","ts":1760947200},{"speaker":"Anna","text":"Hello","ts":"1760947210500"}]`, "operator@0 Hi\ncustomer@10.5 Hello"},
		{"out of order is sorted", `[{"role":"operator","text":"b","time":"10:02"},{"role":"user","text":"a","time":"10:01"}]`, "customer@0 a\noperator@60 b"},
		{"language model's roles", `[{"role":"system","content":"x"},{"role":"assistant","content":"y"},{"role":"user","content":"z"}]`, "system x\noperator y\ncustomer z"},
		{"a role that says nothing leaves the name", `[{"role":"member","name":"Support","text":"a"},{"role":"member","name":"Anna","text":"b"}]`, "operator a\ncustomer b"},
		{"strings", `["Operator: Hi","Client: Hello","and so on"]`, "operator Hi\ncustomer Hello\nsystem and so on"},
		{"null and empty text", `[{"role":"operator","text":"a","time":null},{"role":"client","text":" \u0000"}]`, "operator a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chunks, err := ParseChunks(json.RawMessage(c.chunks))
			if err != nil {
				t.Fatal(err)
			}
			us, _, err := ParseChat("ignored when there are chunks", chunks)
			if err != nil {
				t.Fatal(err)
			}
			if got := turns(us); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestBadChunksNameTheChunk(t *testing.T) {
	for _, c := range []struct{ chunks, want string }{
		{`{}`, "must be an array"},
		{`"x"`, "must be an array"},
		{`[{"text":"a"},7]`, "chunks[1] must be an object"},
		{`[null]`, "chunks[0] must be an object"},
		{`[{"speaker":"Anna"}]`, "chunks[0] has no text"},
		{`[{"text":["a"]}]`, "chunks[0] has a text that is not a string"},
		{`[{"text":"a","time":"yesterday"}]`, "chunks[0] has a time"},
		{`[{"text":"a","time":-5}]`, "chunks[0] has a time"},
		{`[{"text":"a","time":1e300}]`, "chunks[0] has a time"},
		{`[{"text":"a","time":{}}]`, "chunks[0] has a time"},
		{"[" + strings.Repeat("7,", MaxTurns) + "7]", "at most 100000"},
	} {
		_, err := ParseChunks(json.RawMessage(c.chunks))
		wantCode(t, err, schemas.CodeInvalid)
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: %v, want %q", c.chunks, err, c.want)
		}
	}
}

func wantCode(t *testing.T, err error, code schemas.Code) {
	t.Helper()
	var e *schemas.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("got %v, want code %d", err, code)
	}
}

func TestChatBounds(t *testing.T) {
	_, _, err := ParseChat(" \n\t\x00", nil)
	wantCode(t, err, schemas.CodeFieldsMissing)
	_, _, err = ParseChat("", []Chunk{{Text: "\u202e"}})
	wantCode(t, err, schemas.CodeFieldsMissing)
	_, _, err = ParseChat(strings.Repeat("x", schemas.MaxTextBytes+1), nil)
	wantCode(t, err, schemas.CodeTooLarge)
	_, _, err = ParseChat("", []Chunk{{Text: strings.Repeat("x", schemas.MaxTextBytes/2)}, {Text: strings.Repeat("y", schemas.MaxTextBytes/2+1)}})
	wantCode(t, err, schemas.CodeTooLarge)
	_, _, err = ParseChat(strings.Repeat("x\n", MaxTurns+1), nil)
	wantCode(t, err, schemas.CodeInvalid)
	_, _, err = ParseChat(strings.Repeat("Bot: x\n", MaxTurns+1), nil)
	wantCode(t, err, schemas.CodeInvalid)
}

// The largest texts must not cost more than in proportion: a quadratic step
// would take hours here.
func TestHostileSizesAreLinear(t *testing.T) {
	for name, text := range map[string]string{
		"one line":           "Operator: " + strings.Repeat("x", schemas.MaxTextBytes-20),
		"empty lines":        "Operator: x" + strings.Repeat("\n", schemas.MaxTextBytes-20),
		"one message":        "Operator: x\n" + strings.Repeat("yy\n", schemas.MaxTextBytes/3-20),
		"spaces":             strings.Repeat(" ", schemas.MaxTextBytes-20) + "Operator: x",
		"colons":             "Operator: x\n" + strings.Repeat(":", schemas.MaxTextBytes-20),
		"numbers":            "Operator: x\n" + strings.Repeat("1:", schemas.MaxTextBytes/2-20),
		"every line a field": "Operator: x\n" + strings.Repeat("id: y\n", MaxTurns-1),
	} {
		begin := time.Now()
		if _, _, err := ParseChat(text, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func TestCleanLine(t *testing.T) {
	for in, want := range map[string]string{
		" a\r\nb\t\x00c ":     "a  b c",
		"яяя":                 "яя", // five bytes hold two letters
		"\xff\xfe":            "\ufffd",
		"=cmd()<script>":      "=cmd(",
		"\u202egpj.exe\u202c": "gpj.e",
	} {
		if got := CleanLine(in, 5+3*strings.Count(in, "\r")); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParseChat(f *testing.F) {
	f.Add("Operator: Hi\nClient: Hello", `[]`)
	f.Add("[20.10.2025, 10:00:01] Anna: Hi\n10:00 Bot: x", `[{"role":"agent","text":"Hi","time":"10:00 AM"}]`)
	f.Add("Anna, [10/20/25 10:00 PM]\nhi\nAnna (1:00): x", `["a: b",{"message":"x","ts":1e12}]`)
	f.Fuzz(func(t *testing.T, text, raw string) {
		chunks, err := ParseChunks(json.RawMessage(raw))
		if err != nil {
			chunks = nil
		}
		us, joined, err := ParseChat(text, chunks)
		if err != nil {
			return
		}
		if len(us) == 0 || joined == "" {
			t.Fatal("no error and no turns")
		}
		for i, u := range us {
			if u.Turn != int64(i) || u.Text == "" || !utf8.ValidString(u.Text) || strings.ContainsFunc(u.Text, unclean) {
				t.Fatalf("turn %d is not clean: %+v", i, u)
			}
			if !slices.Contains([]string{schemas.RoleOperator, schemas.RoleCustomer, schemas.RoleSystem, schemas.RoleUnknown}, u.Speaker) {
				t.Fatalf("turn %d has role %q", i, u.Speaker)
			}
			if u.Start != nil && !(*u.Start >= 0) {
				t.Fatalf("turn %d starts at %v", i, *u.Start)
			}
		}
	})
}
