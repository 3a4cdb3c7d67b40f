package ingest

import (
	"strings"

	"golang.org/x/text/language"

	"earshot/schemas"
)

// recognised are the languages that Whisper's multilingual models know
// (whisper.cpp, g_lang), by ISO 639-1 code where there is one. Javanese is jv
// here and jw there.
var recognised = func() map[string]bool {
	known := map[string]bool{}
	for _, code := range strings.Fields(`en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te
		fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as
		tt haw ln ha ba jv su yue`) {
		known[code] = true
	}
	return known
}()

// otherNames are languages that Whisper knows by another code.
var otherNames = map[string]string{"nb": "no", "fil": "tl"}

// longestTag is the longest language tag without private parts (RFC 5646
// section 4.4.1), in characters.
const longestTag = 35

// Language reads the language of a conversation from a BCP 47 tag: its ISO
// 639-1 code, or that of a language that Recognised knows. "", "00" and "auto"
// ask to detect it and give "". Errors: 4001.
func Language(tag string) (string, error) {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if tag == "" || tag == "00" || tag == "auto" {
		return "", nil
	}
	if len(tag) <= longestTag {
		if t, err := language.Parse(tag); err == nil {
			base, _ := t.Base()
			code := base.String()
			if other, ok := otherNames[code]; ok {
				code = other
			}
			if len(code) == 2 || recognised[code] {
				return code, nil
			}
		}
	}
	return "", schemas.Fail(schemas.CodeInvalid, "language must be an ISO 639-1 code such as en, or auto to detect it")
}

// Recognised says whether a speech model can be asked for a language, a code
// that Language gave. One model may still know fewer: the transcriber says so.
func Recognised(code string) bool { return code == "" || recognised[code] }
