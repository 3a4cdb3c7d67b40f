package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"earshot/schemas"
)

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		given, want string
		heard       bool
	}{
		{"", "", true}, {" AUTO ", "", true}, {"00", "", true}, {"en", "en", true}, {"ru-RU", "ru", true}, {"pt_BR", "pt", true}, {"iw", "he", true}, {"nb-NO", "no", true},
		{"fil", "tl", true}, {"jw", "jv", true}, {"haw", "haw", true}, {"zh-yue", "yue", true}, {"ky", "ky", false}, {"ga", "ga", false},
	} {
		got, err := Language(c.given)
		if err != nil || got != c.want || Recognised(got) != c.heard {
			t.Errorf("%q is %q (recognised: %v), %v; want %q", c.given, got, Recognised(got), err, c.want)
		}
	}
	for _, given := range []string{"klingon", "e", "xx", "tlh", "english", "en;q=1", "и", strings.Repeat("a-", 5000), "\x00"} {
		_, err := Language(given)
		wantCode(t, err, schemas.CodeInvalid)
	}
}

func TestVocabulary(t *testing.T) {
	got, err := Vocabulary([]string{" Smile\tTelecom\n", "eSIM", "", "ESIM", "\u202eAPN\x00", "  ", "Смайл Телеком", "смайл  телеком", strings.Repeat("я", schemas.MaxTermRunes)})
	want := []string{"Smile Telecom", "eSIM", "APN", "Смайл Телеком", strings.Repeat("я", schemas.MaxTermRunes)}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if none, err := Vocabulary(nil); err != nil || none == nil || len(none) != 0 {
		t.Errorf("none: %#v, %v", none, err)
	}
	_, err = Vocabulary([]string{strings.Repeat("я", schemas.MaxTermRunes+1)})
	wantCode(t, err, schemas.CodeInvalid)
	var many []string
	for i := range schemas.MaxVocabulary + 1 {
		many = append(many, fmt.Sprint("term ", i))
	}
	if _, err := Vocabulary(append(many[1:], "TERM 1")); err != nil {
		t.Errorf("%d terms, one of them twice: %v", schemas.MaxVocabulary, err)
	}
	_, err = Vocabulary(many)
	wantCode(t, err, schemas.CodeInvalid)
}
