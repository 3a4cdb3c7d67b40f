package api

import (
	"strings"

	"golang.org/x/text/language"

	"earshot/schemas"
)

// matcher chooses among schemas.Languages, in their order.
var matcher = language.NewMatcher([]language.Tag{language.English, language.Russian})

// languageOf picks the language of an answer from Accept-Language, else
// fallback (a user's locale), else English.
func languageOf(header []byte, fallback string) string {
	if !strings.HasPrefix(strings.ToLower(fallback), "ru") {
		fallback = "en"
	} else {
		fallback = "ru"
	}
	switch h := string(header); {
	case h == "" || len(h) > 256: // an honest header is short
		return fallback
	case h == "en" || h == "ru":
		return h
	default:
		tags, _, err := language.ParseAcceptLanguage(h)
		if err != nil || len(tags) == 0 {
			return fallback
		}
		if _, i, confidence := matcher.Match(tags...); confidence > language.No {
			return schemas.Languages[i]
		}
		return fallback
	}
}
