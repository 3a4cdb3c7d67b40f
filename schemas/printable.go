package schemas

import "strings"

// Printable takes out what must not stand in XML 1.0 (section 2.2) or makes a text
// read otherwise than it is written: control and bidirectional characters,
// noncharacters. Most was cleaned at ingest; what a recogniser or a rule writes
// was not.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20, r >= 0x7F && r <= 0x9F, r == '\u061C', r == '\u200E', r == '\u200F',
			r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069', r == '\uFEFF', r&0xFFFE == 0xFFFE, r >= 0xFDD0 && r <= 0xFDEF:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
