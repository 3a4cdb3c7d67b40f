package schemas

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSearchWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		" ?! — … ":                  "",
		"Refunds, refunded; REFUND": "refund",
		"Возврата возвратом «Возврат»":     "возврат",
		"ёлка Елка елки":                   "елк",
		"eSIM-карта №5":                    "esim карт 5",
		"iPhone15 call-centre@example.com": "iphone15 call centr exampl com",
		"don't":                            "don t",
		"привет\x00мир\xff\xfeда":          "привет мир да",
		"naïve café":                       "naïv café",
		strings.Repeat("щ", 100):           strings.Repeat("щ", 32),
		"1234567890 +49 (30) 123":          "1234567890 49 30 123",
		"Здравствуйте, чем могу помочь? Здравствуйте!": "здравств чем мог помоч",
	} {
		if got := strings.Join(SearchWords(text), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := SearchWords("one two", "two three"); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("several texts: %q", got)
	}
}

// What is searched for is found in what it was taken from, whatever it is.
func TestSearchWordsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		words := SearchWords(text)
		for _, w := range words {
			if w == "" || len(w) > maxWord+utf8.UTFMax || !utf8.ValidString(w) {
				t.Fatalf("word %q of %q", w, text)
			}
		}
		parts := SearchWords(strings.Fields(text)...)
		if !slices.Equal(words, parts) {
			t.Fatalf("%q by fields gives %q, as a whole %q", text, parts, words)
		}
	})
}
