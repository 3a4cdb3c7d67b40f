package schemas

import (
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/russian"
)

// Bounds of full-text search: a longer word is cut, further words are not
// found.
const (
	maxWord  = 64     // bytes
	maxWords = 20_000 // distinct words of one conversation
	maxStems = 50_000 // remembered: about 5 MB
)

// SearchWords are the words of texts as full-text search compares them: what
// ClickHouse's interactions.words holds, and what a query is turned into.
// A word is a run of letters and digits, in lower case, ё as е, reduced to its
// stem (Snowball, Russian when it has a Cyrillic letter, else English), so that
// "возврат" finds "возврата". Each stem comes once, in order of appearance.
func SearchWords(texts ...string) []string {
	var words []string
	seen := make(map[string]struct{}, 64)
	for _, text := range texts {
		for text != "" && len(words) < maxWords {
			var word string
			if word, text = nextWord(text); word == "" {
				break
			}
			stem := stems.of(word)
			if _, ok := seen[stem]; !ok {
				seen[stem] = struct{}{}
				words = append(words, stem)
			}
		}
	}
	return words
}

// nextWord cuts the first word off text, "" when there is none.
func nextWord(text string) (word, rest string) {
	start := strings.IndexFunc(text, isWordRune)
	if start < 0 {
		return "", ""
	}
	text = text[start:]
	end := strings.IndexFunc(text, func(r rune) bool { return !isWordRune(r) })
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// stemCache remembers stems: conversations share most of their words, and
// looking one up takes a tenth of computing it.
type stemCache struct {
	mu    sync.RWMutex
	stems map[string]string
}

var stems = stemCache{stems: map[string]string{}}

func (c *stemCache) of(word string) string {
	if len(word) > maxWord {
		end := maxWord
		for !utf8.RuneStart(word[end]) {
			end--
		}
		word = word[:end]
	}
	c.mu.RLock()
	stem, ok := c.stems[word]
	c.mu.RUnlock()
	if ok {
		return stem
	}
	stem = stemOf(word)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stems) >= maxStems {
		clear(c.stems)
	}
	c.stems[strings.Clone(word)] = strings.Clone(stem) // not a piece of a text, which would stay in memory with it
	return stem
}

func stemOf(word string) string {
	cyrillic, digit := false, false
	word = strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if r == 'ё' {
			r = 'е'
		}
		cyrillic = cyrillic || 'а' <= r && r <= 'я'
		digit = digit || unicode.IsDigit(r)
		return r
	}, word)
	if digit { // numbers and product codes have no endings
		return word
	}
	env := snowballstem.NewEnv(word)
	if cyrillic {
		russian.Stem(env)
	} else {
		english.Stem(env)
	}
	return env.Current()
}

// TagKey is a tag as filters compare it: upper and lower case alike.
func TagKey(tag string) string {
	return strings.ToLower(strings.TrimSpace(tag))
}

// ChecklistKey is the answer to a question of a checklist as filters compare it.
func ChecklistKey(question int64, answer string) string {
	return strconv.FormatInt(question, 10) + "=" + answer
}
