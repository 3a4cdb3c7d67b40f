package ingest

import (
	"regexp"
	"strings"
)

// How mail programs introduce what they quote, in English and Russian.
var (
	// "-----Original Message-----": all that follows is quoted.
	originalLine = regexp.MustCompile(`(?i)^[\s>]*(?:-{2,}|_{2,})\s*(?:original message|reply message|исходное сообщение|оригинальное сообщение|первоначальное сообщение)\s*(?:-{2,}|_{2,})?\s*$`)
	// "On Mon, 20 Oct 2025 at 10:00, Anna <a@shop.com> wrote:" and "20.10.2025 10:00, Анна пишет:".
	wroteLine = regexp.MustCompile(`(?i)^(?:on\b.*\d.*\b(?:wrote|writes)|.*\d.*(?:^|[^\p{L}])(?:написала?|написал\s?\(а\)|писала?|писал\s?\(а\)|пишет))\s*:\s*$`)
	// The header that Outlook puts before a quoted message.
	fieldLine = regexp.MustCompile(`(?i)^[*_]*(from|sent|date|to|cc|subject|от|отправлено|дата|кому|копия|тема|отправитель|получатель)[*_]*\s?:`)
	// A day or an address, which nobody writes who tells a story ("at 10:00 she wrote:").
	dated    = regexp.MustCompile(`@|\d{4}|\d{1,2}[./]\d{1,2}[./]\d{2}`)
	fromLine = regexp.MustCompile(`(?i)^[*_]*(from|от|отправитель)[*_]*\s?:.*\S`)
)

// wroteLines is how many lines an introduction may be wrapped into, and
// headerLines within how many of them a quoted header must show.
const (
	wroteLines  = 3
	wroteBytes  = 400
	headerLines = 6
)

// Unquote leaves of a message what its sender wrote: without lines that begin
// with ">", their introductions, all that stands below a quoted header, and the
// signature below "-- ". Where nothing is left (a message that was forwarded
// without a word), the quoted text is what was sent, and stays.
func Unquote(text string) string {
	lines := strings.Split(text, "\n")
	var own []string
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \t")
		ruler := line != "" && strings.Trim(line, "-_ ") == ""
		if line == "--" || ruler && quotedHeader(lines[i+1:]) || quotedHeader(lines[i:]) || original(line) {
			break
		}
		if strings.HasPrefix(strings.TrimLeft(line, " "), ">") {
			continue
		}
		if n, day := introduction(lines[i:]); n > 0 {
			if marked := quotedNext(lines[i+n:]); marked || day {
				if !marked {
					break // all that follows is quoted without a mark
				}
				i += n - 1
				continue
			}
		}
		own = append(own, line)
	}
	if left := strings.TrimSpace(strings.Join(own, "\n")); left != "" {
		return left
	}
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, "> ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// saysWrote looks at the end of a line before wroteLine does, which is slow.
func saysWrote(line string) bool {
	if !strings.HasSuffix(line, ":") {
		return false
	}
	end := strings.ToLower(line[max(0, len(line)-32):])
	return strings.Contains(end, "wr") || strings.Contains(end, "пис") || strings.Contains(end, "пиш")
}

func original(line string) bool {
	return len(line) < wroteBytes && (strings.Contains(line, "--") || strings.Contains(line, "__")) && originalLine.MatchString(line)
}

// introduction is the number of lines of "On …, … wrote:" at the beginning of
// lines, 0 when there is none; day tells whether it names one.
func introduction(lines []string) (n int, day bool) {
	joined := ""
	for n = 1; n <= min(wroteLines, len(lines)); n++ {
		line := strings.TrimSpace(lines[n-1])
		if line == "" || len(joined)+len(line) > wroteBytes {
			return 0, false
		}
		if joined = strings.TrimSpace(joined + " " + line); saysWrote(line) && wroteLine.MatchString(joined) {
			if later, _ := introduction(lines[1:n]); later > 0 {
				return 0, false // it begins further down
			}
			return n, dated.MatchString(joined)
		}
	}
	return 0, false
}

// quotedNext tells whether the next line with anything in it is marked as
// quoted.
func quotedNext(lines []string) bool {
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			return strings.HasPrefix(line, ">")
		}
	}
	return true // nothing follows: nothing is lost either way
}

// quotedHeader tells whether lines begin with the header of a quoted message:
// "From:" and two more fields of it right below.
func quotedHeader(lines []string) bool {
	if len(lines) == 0 || len(lines[0]) > wroteBytes || !strings.Contains(lines[0], ":") || !fromLine.MatchString(strings.TrimSpace(lines[0])) {
		return false
	}
	fields := 0
	for _, line := range lines[1:min(len(lines), headerLines)] {
		if strings.Contains(line, ":") && fieldLine.MatchString(strings.TrimSpace(line)) {
			fields++
		}
	}
	return fields >= 2
}
