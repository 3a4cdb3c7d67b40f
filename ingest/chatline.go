package ingest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"earshot/schemas"
)

// head is what the beginning of a line says.
type head struct {
	name    string
	at      *float64
	stamped bool // a time stands before or after the name
	strong  bool // ... in brackets or with a date, so that it cannot be part of a sentence
	rest    string
}

// opening is a line that may begin a message: the offsets are of the line and
// of the words after its head.
type opening struct {
	head
	from, body int
}

// splitText splits a whole dialogue. A line that begins a message has a time,
// a role word, or a name that speaks more than once; every other line goes on
// with the message above it. Before the first such line, and where there is
// none, a line is a turn of nobody known.
func splitText(text string, operators []string) ([]message, error) {
	text = oddSpaces.Replace(text)
	openings, err := openingsIn(text)
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}   // how many lines a name begins
	export := map[string]bool{} // names that a time stands next to
	for _, o := range openings {
		lines[o.name]++
		if o.stamped && o.name != "" {
			export[o.name] = true
		}
	}
	openings = slices.DeleteFunc(openings, func(o opening) bool {
		if o.stamped || export[o.name] || roleOf(o.name, operators) != schemas.RoleUnknown {
			return false
		}
		rank, known := nameRank(o.name)
		field := known && rank == 0
		first := strings.TrimSpace(text[:o.from]) == ""
		return field || len(export) > 0 || !first && lines[o.name] < 2
	})
	end := len(text)
	if len(openings) > 0 {
		end = openings[0].from
	}
	var messages []message
	for line := range strings.SplitSeq(text[:end], "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if messages = append(messages, message{text: line}); len(messages) > MaxTurns {
			return nil, tooMany()
		}
	}
	for i, o := range openings {
		end := len(text)
		if i+1 < len(openings) {
			end = openings[i+1].from
		}
		messages = append(messages, message{o.name, o.at, strings.TrimSpace(text[o.body:end])})
	}
	return messages, nil
}

func openingsIn(text string) ([]opening, error) {
	var list []opening
	c := clockOf(text)
	for from := 0; from < len(text); {
		end := len(text)
		if n := strings.IndexByte(text[from:], '\n'); n >= 0 {
			end = from + n
		}
		h := c.head(text[from:end])
		if h.name != "" || h.strong {
			list = append(list, opening{h, from, end - len(h.rest)})
		}
		if len(list) > MaxTurns {
			return nil, tooMany()
		}
		from = end + 1
	}
	return list, nil
}

// A head is looked for in this many bytes of a line, so that a line of
// megabytes costs no more than a short one.
const headBytes = 200

const (
	datePart = `(\d{1,4})[./-](\d{1,2})[./-](\d{2,4})`
	timePart = `(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?(?:\s?([AaPp])\.?[Mm]\.?)?(?:Z|\s?[+-]\d\d:?\d\d\b)?`
	stamp    = `(?:` + datePart + `,?[\sT]\s?)?` + timePart
)

var (
	bracketed  = regexp.MustCompile(`^[\[(<]\s?` + stamp + `\s?[\])>]\s*[-–—]?\s*`)
	bareStamp  = regexp.MustCompile(`^` + stamp + `(?:\s*[-–—|]\s+|\s+)`)
	afterName  = regexp.MustCompile(`^([^\[(<]{1,64}?),?\s*([\[(<])\s?` + stamp + `\s?[\])>]\s*(:\s*|$)`)
	namedLine  = regexp.MustCompile(`^[*_\s•–—-]*([\p{L}+@][^:：]{0,63}?)[*_\s]*[:：][*_]*(\s+|$)?`)
	plainStamp = regexp.MustCompile(`^` + stamp + `$`)
	oddSpaces  = strings.NewReplacer("\u202f", " ", "\u00a0", " ") // messengers put these before AM and PM
)

// clock reads the times of one source: which of a slashed date's numbers is
// the month, and on which day a bare time of day falls, hang on the lines
// before.
type clock struct {
	monthFirst bool
	day        float64 // seconds of midnight of the last message
	last       float64 // its time of day
	dated      bool
}

var slashDate = regexp.MustCompile(`\b(\d{1,2})/(\d{1,2})/\d{2,4}`)

func clockOf(text string) *clock {
	c := &clock{}
	for _, m := range slashDate.FindAllStringSubmatch(text[:min(len(text), 64<<10)], 1000) {
		if n, err := strconv.Atoi(m[2]); err == nil && n > 12 {
			c.monthFirst = true
		}
	}
	return c
}

// head reads the beginning of a line; its rest is the end of that line.
func (c *clock) head(line string) head {
	line = strings.TrimLeft(line, " \t")
	if line == "" {
		return head{}
	}
	part := line[:min(len(line), headBytes)]
	if m := bracketed.FindStringSubmatchIndex(part); m != nil {
		if at, ok := c.read(groups(part, m[2:])); ok {
			return named(head{at: &at, stamped: true, strong: true}, line[m[1]:])
		}
	}
	if m := bareStamp.FindStringSubmatchIndex(part); m != nil {
		h := named(head{stamped: true, strong: m[2] >= 0}, line[m[1]:])
		if h.name != "" || h.strong {
			if at, ok := c.read(groups(part, m[2:])); ok {
				h.at = &at
				return h
			}
		}
	}
	if !strings.ContainsRune(part, ':') && !strings.ContainsRune(part, '：') {
		return head{}
	}
	if m := afterName.FindStringSubmatchIndex(part); m != nil {
		name := strings.Trim(part[m[2]:m[3]], " *_,")
		// "tomorrow (10:00)" is no head, "Anna (10:00): hello" and "Anna [10:00]" are.
		if isName(name) && (m[20] < m[21] || m[6] >= 0 || part[m[4]] == '[') {
			if at, ok := c.read(groups(part, m[6:])); ok {
				return head{name: name, at: &at, stamped: true, strong: true, rest: line[m[1]:]}
			}
		}
	}
	return named(head{}, line)
}

// named takes the name off the beginning of a line, when there is one.
func named(h head, line string) head {
	h.rest = line
	m := namedLine.FindStringSubmatchIndex(line[:min(len(line), headBytes)])
	if m == nil {
		return h
	}
	name := strings.TrimSpace(line[m[2]:m[3]])
	// Without a space after the colon only a role word is a name: "https://".
	if isName(name) && (m[4] >= 0 || roleOf(name, nil) != schemas.RoleUnknown) {
		h.name, h.rest = name, strings.TrimLeft(line[m[1]:], "*_ \t")
	}
	return h
}

// isName refuses what reads like a sentence.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && len(strings.Fields(s)) <= 5 &&
		!strings.ContainsAny(s, ",;!?\"«»/\\=<>{}[]|") &&
		strings.IndexFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0
}

// groups cuts the seven numbers of a stamp out of a line.
func groups(s string, at []int) [7]string {
	var g [7]string
	for i := range g {
		if at[2*i] >= 0 {
			g[i] = s[at[2*i]:at[2*i+1]]
		}
	}
	return g
}

// read turns the parts of a stamp (three of a date, hour, minute, second, half
// of the day) into seconds. A bare time of day earlier than the last one by
// more than half a day is on the next day.
func (c *clock) read(g [7]string) (float64, bool) {
	n := make([]int, 6)
	for i := range n {
		if g[i] != "" {
			v, err := strconv.Atoi(g[i])
			if err != nil {
				return 0, false
			}
			n[i] = v
		}
	}
	hour := n[3]
	if half := strings.ToLower(g[6]); half != "" {
		if hour < 1 || hour > 12 {
			return 0, false
		}
		hour = hour%12 + map[string]int{"a": 0, "p": 12}[half]
	}
	if hour > 23 || n[4] > 59 || n[5] > 60 {
		return 0, false
	}
	ofDay := float64(hour*3600 + n[4]*60 + n[5])
	if g[0] != "" {
		day, ok := c.date(n[0], n[1], n[2], g[6] != "")
		if !ok {
			return 0, false
		}
		c.day, c.dated = day, true
	} else if ofDay < c.last-12*3600 {
		c.day += 24 * 3600
	}
	c.last = ofDay
	return c.day + ofDay, true
}

func (c *clock) date(a, b, y int, half bool) (float64, bool) {
	var day, month int
	switch {
	case a > 31: // 2025-10-20
		y, month, day = a, b, y
	case b > 12 || c.monthFirst || half && a <= 12: // 10/20/25, 10:00 AM
		month, day = a, b
	default:
		day, month = a, b
	}
	if y < 100 {
		y += 2000
	}
	if month < 1 || month > 12 || day < 1 || day > 31 || y < 1970 || y > 9999 {
		return 0, false
	}
	return float64(time.Date(y, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix()), true
}
