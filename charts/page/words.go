package page

import (
	"cmp"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

//go:embed words.yaml
var wordsYAML []byte

// words are by language, then by key.
var words = func() (all map[string]map[string]string) {
	if err := yaml.Unmarshal(wordsYAML, &all); err != nil {
		panic(fmt.Sprintf("words.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	return all
}()

// writing is a report in the making.
type writing struct {
	report.Report
	Lang  string // "en" or "ru"
	zone  *time.Location
	print *message.Printer
}

func write(r report.Report, lang string) *writing {
	w := &writing{Report: r, Lang: "en", zone: time.UTC}
	if strings.HasPrefix(strings.ToLower(lang), "ru") {
		w.Lang = "ru"
	}
	if zone, err := time.LoadLocation(r.Period.Zone); err == nil {
		w.zone = zone
	}
	w.print = message.NewPrinter(language.Make(w.Lang))
	return w
}

// Word is for the template.
func (w *writing) Word(key string) string { return w.word(key) }

// word is a text; its key where there is none, which a test rules out for ours.
func (w *writing) word(key string) string {
	if text, ok := words[w.Lang][key]; ok {
		return text
	}
	return key
}

// fill is a text with its {names} replaced by values, in turn.
func (w *writing) fill(key string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(w.word(key))
}

var forms = map[plural.Form]string{plural.One: "_one", plural.Few: "_few", plural.Many: "_many", plural.Other: "_other"}

// count is a number with its noun: 1 conversation, 3 conversations; 1 разговор, 3 разговора, 5 разговоров.
func (w *writing) count(noun string, n int64) string {
	form := plural.Cardinal.MatchPlural(language.Make(w.Lang), int(n), 0, 0, 0, 0)
	return w.fill(noun+forms[form], "n", w.cell(table.Number, n))
}

// cell is the value of a table as a reader sees it.
func (w *writing) cell(kind table.Kind, value any) string {
	switch v := value.(type) {
	case int64:
		return w.print.Sprint(number.Decimal(v))
	case float64:
		switch kind {
		case table.Percent:
			return w.percent(v)
		case table.Duration:
			return clock(v)
		}
		return w.decimal(v)
	case time.Time:
		return w.moment(v)
	case string:
		if kind == table.Date {
			if day, err := time.Parse(time.DateOnly, v); err == nil {
				return w.date(day)
			}
		}
		if v = strings.TrimSpace(schemas.Printable(v)); v != "" {
			return v
		}
	}
	return w.word("nothing")
}

// decimal has one digit after the point.
func (w *writing) decimal(v float64) string {
	return w.print.Sprint(number.Decimal(v, number.Scale(1)))
}

func (w *writing) percent(share float64) string {
	return w.fill("percent", "n", w.decimal(100*share))
}

// date is a day: 5 Oct 2025, 05.10.2025.
func (w *writing) date(day time.Time) string {
	return w.fill("date", "d", strconv.Itoa(day.Day()), "dd", day.Format("02"), "mm", day.Format("01"), "month", w.month(day), "yyyy", day.Format("2006"))
}

// longDate is a day in a sentence: 5 October 2025, 5 октября 2025 г.
func (w *writing) longDate(day time.Time) string {
	return w.fill("long_date", "d", strconv.Itoa(day.Day()), "month", strings.Split(w.word("long_months"), " ")[day.Month()-1], "yyyy", day.Format("2006"))
}

// shortDate is a day on an axis: 5 Oct, 5 окт.
func (w *writing) shortDate(date string) string {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return strconv.Itoa(day.Day()) + " " + w.month(day)
}

func (w *writing) month(day time.Time) string {
	return strings.Split(w.word("months"), " ")[day.Month()-1]
}

// moment is a time in the zone of the report.
func (w *writing) moment(t time.Time) string {
	if t.IsZero() {
		return w.word("nothing")
	}
	t = t.In(w.zone)
	return w.date(t) + t.Format(" 15:04")
}

// period is a stretch of time as it is said: a day, days, or times within them.
func (w *writing) period(p report.Period) string {
	from, until := p.From.In(w.zone), p.Until.In(w.zone)
	last := until.Add(-time.Nanosecond)
	switch {
	case !report.AtMidnight(from) || !report.AtMidnight(until):
		return w.moment(from) + " – " + w.moment(until)
	case from.Format(time.DateOnly) == last.Format(time.DateOnly):
		return w.longDate(from)
	}
	return w.longDate(from) + " – " + w.longDate(last)
}

// clock is a length or a place in the recording: 1:05, 1:02:03.
func clock(seconds float64) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	s := int64(math.Round(min(seconds, 1e12)))
	if s >= 3600 {
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d:%02d", sign, s/60, s%60)
}

// term is the name of a dictionary's id.
func (w *writing) term(dictionary string, id int64) string {
	return cmp.Or(schemas.TermOf(dictionary, id).Name(w.Lang), strconv.FormatInt(id, 10))
}

// termOf is the name of a dictionary's key.
func (w *writing) termOf(dictionary, key string) string {
	return cmp.Or(schemas.TermOf(dictionary, schemas.TermID(dictionary, key)).Name(w.Lang), key)
}

func (w *writing) speaker(role string) string {
	if slices.Contains([]string{schemas.RoleOperator, schemas.RoleCustomer, schemas.RoleSystem}, role) {
		return w.word("role_" + role)
	}
	return w.word("role_unknown")
}

// one is a text on one line.
func one(text string) string { return strings.Join(strings.Fields(schemas.Printable(text)), " ") }

// clip is a name that fits a chart; the table has the whole of it.
func clip(name string, most int) string {
	letters := []rune(one(name))
	if len(letters) <= most {
		return string(letters)
	}
	return strings.TrimSpace(string(letters[:most-1])) + "…"
}
