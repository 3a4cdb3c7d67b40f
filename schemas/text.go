package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Languages that every text of the API exists in. The first is the language of
// the source code: there the English sentence stands where it is said, and is
// itself the id of the message. Every other language has a go-i18n message file.
//
// To add a text: write T("…"), or Fail(code, "…"), in English, and a line with
// the same sentence in each of locales/*.yaml. TestEveryTextIsTranslated
// fails when one is forgotten, or when a line is no longer said by anybody.
var Languages = []string{"en", "ru"}

//go:embed locales/*.yaml
var locales embed.FS

// translations holds the message files.
type translations struct {
	localizers map[string]*i18n.Localizer // by language, without the first
	ids        []string                   // of all messages
}

var messages = sync.OnceValue(func() translations {
	bundle := i18n.NewBundle(language.MustParse(Languages[0]))
	bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	c := translations{localizers: map[string]*i18n.Localizer{}}
	names, err := fs.Glob(locales, "locales/*.yaml")
	for _, name := range names {
		var file *i18n.MessageFile
		if file, err = bundle.LoadMessageFileFS(locales, name); err != nil {
			break
		}
		c.localizers[file.Tag.String()] = i18n.NewLocalizer(bundle, file.Tag.String())
		for _, m := range file.Messages {
			c.ids = append(c.ids, m.ID)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("locales: %v", err)) // embedded: cannot fail after the test passed
	}
	return c
})

// translate gives the format that a language has for an English one, which is
// the English one where it has none.
func (c translations) translate(format, lang string) string {
	l, ok := c.localizers[baseLanguage(lang)]
	if !ok || format == "" {
		return format
	}
	s, err := l.Localize(&i18n.LocalizeConfig{MessageID: format})
	if err != nil {
		return format
	}
	return s
}

// baseLanguage is the first part of a BCP 47 tag.
func baseLanguage(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return base
}

// Text is something that a person reads, in whichever language is asked for. An
// argument may be a Text itself. The zero Text is empty.
type Text struct {
	english string
	format  string
	args    []any
}

// T returns a text; format and args are those of fmt.Sprintf, format in English.
func T(format string, args ...any) Text {
	return Text{fmt.Sprintf(format, args...), format, args}
}

// String is the text in English.
func (t Text) String() string { return t.english }

// In is the text in the language of a BCP 47 tag, English when there is no
// translation.
func (t Text) In(lang string) string {
	format := messages().translate(t.format, lang)
	args := slices.Clone(t.args)
	for i, a := range args {
		if inner, ok := a.(Text); ok {
			args[i] = inner.In(lang)
		}
	}
	return fmt.Sprintf(format, args...)
}

// Integral is a whole number as clients write it, without the zeros after its
// point: languages with one kind of number send 7 as 7.0. What is no number stays
// as it is.
func Integral(s string) string {
	s = strings.TrimSpace(s)
	if n, zeros, _ := strings.Cut(s, "."); zeros != "" && strings.Trim(zeros, "0") == "" {
		return n
	}
	return s
}
