package api

import (
	"strings"

	"golang.org/x/text/currency"
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
	case h == "" || len(h) > maxAcceptLanguage:
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

// maxAcceptLanguage is what an honest header has at most.
const maxAcceptLanguage = 256

// currencyOf picks the currency of the first region of Accept-Language that
// there are prices in, else the default one; "" when there are none in it. A
// language without a region stands for where most people speak it, so that en is
// shown dollars where there are prices in dollars.
func currencyOf[P any](header []byte, prices map[string]P, byDefault string) string {
	if len(header) <= maxAcceptLanguage {
		tags, _, _ := language.ParseAcceptLanguage(string(header)) // of what is not readable there are none
		for _, tag := range tags {
			region, _ := tag.Region()
			unit, known := currency.FromRegion(region)
			if _, ok := prices[unit.String()]; known && ok {
				return unit.String()
			}
		}
	}
	if _, ok := prices[byDefault]; ok {
		return byDefault
	}
	return ""
}
