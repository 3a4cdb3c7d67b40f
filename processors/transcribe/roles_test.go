package transcribe

import (
	"fmt"
	"strings"
	"testing"

	"earshot/processors/transcribe/acoustic"
	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

func TestRolesOf(t *testing.T) {
	tests := []struct {
		name   string
		given  []schemas.Channel
		n      int
		want   string
		stated bool
	}{
		{"default", nil, 2, "operator customer", false},
		{"more channels than sides", nil, 3, "operator customer unknown", false},
		{"swapped", []schemas.Channel{{Index: 0, Role: "customer"}, {Index: 1, Role: "operator"}}, 2, "customer operator", true},
		{"one stated", []schemas.Channel{{Index: 1, Role: "operator"}}, 2, "unknown operator", true},
		{"channels that are not there", []schemas.Channel{{Index: 7, Role: "operator"}, {Index: -1, Role: "customer"}}, 2, "unknown unknown", false},
	}
	for _, tt := range tests {
		roles, stated := rolesOf(tt.given, schemas.SourceUpload, tt.n)
		if got := strings.Join(roles, " "); got != tt.want || stated != tt.stated {
			t.Errorf("%s: %s %v, want %s %v", tt.name, got, stated, tt.want, tt.stated)
		}
	}
}

func TestGuessOnlyWhatIsCertain(t *testing.T) {
	for text, want := range map[string]string{
		"Good morning, how can I help you?":           schemas.RoleOperator,
		"Thank you for calling Acme, this is Anna.":   schemas.RoleOperator,
		"Добрый день! Чем могу помочь?":               schemas.RoleOperator,
		"Спасибо, что позвонили, всего доброго":       schemas.RoleOperator,
		"My parcel has not arrived.":                  schemas.RoleUnknown,
		"How can I help your courier find the house?": schemas.RoleUnknown,
		"Мне никто не может помочь":                   schemas.RoleUnknown,
	} {
		u := []schemas.Utterance{{Speaker: schemas.RoleUnknown, Text: text}}
		guess(u)
		if u[0].Speaker != want {
			t.Errorf("%q is by %s, want %s", text, u[0].Speaker, want)
		}
		if named := want != schemas.RoleUnknown; named != (u[0].RoleConfidence != nil) {
			t.Errorf("%q: confidence %v", text, u[0].RoleConfidence)
		}
	}
}

func TestVoicesAreNamedByWhatTheySay(t *testing.T) {
	by := func(voice int, text string) segment {
		return segment{Segment: speech.Segment{Text: text}, voice: voice}
	}
	tests := []struct {
		name     string
		segments []segment
		voices   int
		callType string
		want     string
		least    float64
	}{
		{"operator first", []segment{by(0, "Thank you for calling, how can I help you?"), by(1, "I want a refund.")}, 2, "", "operator customer", 0.9},
		{"customer first", []segment{by(0, "Hello?"), by(1, "Good morning, how can I help you?"), by(0, "My internet is down.")}, 2, "", "customer operator", 0.75},
		{"only the customer gives himself away", []segment{by(0, "Yes."), by(1, "I want to cancel, I want my money back.")}, 2, "", "operator customer", 0.9},
		{"of nothing said, who answers", []segment{by(0, "Yes."), by(1, "No.")}, 2, "inbound", "operator customer", 0.6},
		{"of nothing said, nobody who was called", []segment{by(0, "Yes."), by(1, "No.")}, 2, "outbound", "unknown unknown", 0},
		{"three voices", []segment{by(0, "How may I help you?"), by(1, "Hello."), by(2, "Hello.")}, 3, "", "operator unknown unknown", 0.8},
		{"one voice", []segment{by(0, "How may I help you?")}, 1, "", "unknown", 0},
	}
	for _, tt := range tests {
		roles, confidence := nameVoices(tt.segments, tt.voices, tt.callType)
		if got := strings.Join(roles, " "); got != tt.want || confidence < tt.least || confidence > mostSure {
			t.Errorf("%s: %s at %.2f, want %s at %.2f or more", tt.name, got, confidence, tt.want, tt.least)
		}
	}
}

func TestSegmentsGoToTheVoiceThatSpeaks(t *testing.T) {
	turns := []acoustic.Turn{{From: 0, To: 2, Speaker: 0, Confidence: 0.9}, {From: 2, To: 5, Speaker: 1, Confidence: 0.8}, {From: 6, To: 8, Speaker: 0, Confidence: 0.9}}
	w := func(start float64, texts ...string) (all []speech.Word) {
		for i, text := range texts {
			all = append(all, speech.Word{Start: start + float64(i)/2, End: start + float64(i)/2 + 0.5, Text: text})
		}
		return all
	}
	tests := []struct {
		name string
		s    speech.Segment
		want string
	}{
		{"within a turn", speech.Segment{Start: 2.5, End: 4, Text: "no thanks", Words: w(2.5, "no", "thanks")}, "1 no thanks"},
		{"across a change", speech.Segment{Start: 1, End: 3, Text: "all right? yes please.", Words: w(1, "all", "right?", "yes", "please.")}, "0 all right?|1 yes please."},
		{"a change one word off the end of a sentence", speech.Segment{Start: 0.5, End: 2.5, Text: "is it all right?", Words: w(0.5, "is", "it", "all", "right?")}, "0 is it all right?"},
		{"one word off its beginning", speech.Segment{Start: 1, End: 3, Text: "right? yes I do", Words: w(1, "right?", "yes", "I", "do")}, "0 right?|1 yes I do"},
		{"in a pause", speech.Segment{Start: 5.6, End: 5.9, Text: "mm"}, "0 mm"},
		{"without words", speech.Segment{Start: 1, End: 4.5, Text: "all right yes please"}, "1 all right yes please"},
		{"after the last turn", speech.Segment{Start: 9, End: 10, Text: "bye"}, "0 bye"},
	}
	for _, tt := range tests {
		segments, voices := assign([]segment{{Segment: tt.s}}, turns)
		var got []string
		for _, s := range segments {
			got = append(got, string(rune('0'+s.voice))+" "+s.Text)
		}
		if strings.Join(got, "|") != tt.want || voices != 2 {
			t.Errorf("%s: %v of %d voices, want %s", tt.name, got, voices, tt.want)
		}
	}
}

func TestMarks(t *testing.T) {
	said := func(speaker string, start, end float64, text string) schemas.Utterance {
		return schemas.Utterance{Speaker: speaker, Start: &start, End: &end, Text: text}
	}
	call := []schemas.Utterance{
		said("operator", 0, 5, "All our operators are busy. Please stay on the line."),
		said("operator", 20, 24, "This call may be recorded. How can I help you?"),
		said("customer", 25, 28, "My bill is wrong."),
		said("operator", 28, 31, "One moment please, I will put you on hold."),
		said("customer", 31, 32, "All right."),
		said("operator", 60, 62, "Thank you for holding."),
		said("customer", 80, 82, "Hello?"),
	}
	var got strings.Builder
	for _, m := range inOrder(append(announce(call), holds(call, 90)...)) {
		fmt.Fprintf(&got, "%s %g-%g, ", m.Kind, m.Start, m.End)
	}
	if want := "ivr 0-5, hold 5-20, hold 32-60, "; got.String() != want || call[0].Speaker != schemas.RoleSystem || call[1].Speaker != schemas.RoleOperator {
		t.Errorf("marks %s by %s and %s, want %s", got.String(), call[0].Speaker, call[1].Speaker, want)
	}
	music := inOrder([]schemas.Mark{{Kind: "music", Start: 10, End: 20}, {Kind: "tone", Start: 1, End: 2}, {Kind: "music", Start: 22, End: 30}, {Kind: "music", Channel: 1, Start: 31, End: 32}})
	if len(music) != 3 || music[1].End != 30 {
		t.Errorf("got %+v", music)
	}
}
