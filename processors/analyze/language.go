package analyze

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"earshot/schemas"
)

// Language is told by script and by the commonest words. A library such as
// lingua-go tells seventy-five languages apart and weighs 134 MB; here there
// are two to choose from, and of everything else only that it is neither.

const undetermined = "und"

// languageSample is how much text is looked at, in bytes.
const languageSample = 4 << 10

// tally counts what the languages leave in a text.
type tally struct {
	latin, cyrillic, other int // letters
	en, ru                 int // stop words
	words                  int
	foreign                int // Cyrillic letters that Russian does not have, accented Latin ones
}

var stopEn = set("the and you to of is are was were i it my we that this for have has with not can will your on in be do did what how me please thank thanks hello hi yes ok no but so if at")
var stopRu = set("и в не на я что вы у меня мы это как да по с за но мне вас вам для то так же нет бы был была есть уже еще если когда здравствуйте спасибо добрый день пожалуйста")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// detect returns the language of the conversation, und when it is neither
// English nor Russian or too short to tell, and the one whose rules serve it.
func detect(given string, utterances []schemas.Utterance) (language, rules string) {
	if base, _, _ := strings.Cut(strings.ToLower(given), "-"); base != "" && base != undetermined && base != "auto" {
		if base == "ru" || base == "uk" || base == "be" || base == "kk" {
			return base, "ru"
		}
		return base, "en"
	}
	var t tally
	left := languageSample
	for i := range utterances {
		text := utterances[i].Text
		if len(text) > left {
			text = text[:left] // a letter cut in two counts as none
		}
		left -= len(text)
		t.add(text)
		if left <= 0 {
			break
		}
	}
	return t.decide()
}

func (t *tally) add(text string) {
	var b [formMax]byte
	form := b[:0]
	flush := func() {
		if len(form) > 0 {
			t.words++
			if stopEn[string(form)] {
				t.en++
			} else if stopRu[string(form)] {
				t.ru++
			}
		}
		form = b[:0]
	}
	for _, r := range text {
		if !inWord(r) || r <= '9' {
			flush()
			continue
		}
		t.letter(r)
		if len(form) < formMax-utf8.UTFMax {
			form = fold(form, r)
		}
	}
	flush()
}

func (t *tally) letter(r rune) {
	switch {
	case r < utf8.RuneSelf:
		t.latin++
	case 'А' <= r && r <= 'я':
		t.cyrillic++
	case strings.ContainsRune("іїєґўқңғүұһөәјњљћђџІЇЄҐЎ", r):
		t.foreign++
		t.cyrillic++
	case unicode.Is(unicode.Cyrillic, r):
		t.cyrillic++
	case unicode.Is(unicode.Latin, r):
		t.latin++
		t.foreign++
	default:
		t.other++
	}
}

func (t *tally) decide() (language, rules string) {
	switch {
	case t.cyrillic+t.latin == 0 || t.other > t.cyrillic+t.latin:
		return undetermined, "en"
	case t.cyrillic*2 >= t.latin: // English product names are common in Russian talk, not the reverse
		if t.foreign*50 > t.cyrillic {
			return undetermined, "ru"
		}
		return "ru", "ru"
	case t.foreign*25 > t.latin || t.words >= 12 && t.en*10 < t.words:
		return undetermined, "en"
	}
	return "en", "en"
}
