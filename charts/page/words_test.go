package page

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

var names = regexp.MustCompile(`\{[a-z0-9]+\}`)

// Both languages say everything, with the same names to fill in; plural forms are each language's own.
func TestWordsAreInBothLanguages(t *testing.T) {
	for lang, other := range map[string]string{"en": "ru", "ru": "en"} {
		for key, text := range words[lang] {
			if strings.HasSuffix(key, "_few") || strings.HasSuffix(key, "_many") {
				key = key[:strings.LastIndex(key, "_")] + "_other"
			}
			there, ok := words[other][key]
			if !ok || text == "" {
				t.Errorf("%s has %q, %s does not", lang, key, other)
			}
			if key == "date" || key == "long_date" {
				continue // a language writes it its own way
			}
			a, b := names.FindAllString(text, -1), names.FindAllString(there, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(slices.Compact(a), slices.Compact(b)) {
				t.Errorf("%s: %v in %s, %v in %s", key, a, lang, b, other)
			}
		}
	}
	if _, ok := words["ru"]["true"]; ok || words["en"]["yes"] != "Yes" || words["ru"]["no"] != "Нет" {
		t.Error("YAML took a word for a truth value")
	}
}

// Every word that the code asks for is there, and every word that is there is asked for.
func TestWordsAreUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	source := ""
	for _, f := range append(files, "assets/page.html") {
		if !strings.HasSuffix(f, "_test.go") {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source += string(b)
		}
	}
	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:w\.word|w\.fill|R\.Word|R\.fill)\(?\s?"([a-z_0-9]+)"`).FindAllStringSubmatch(source, -1) {
		asked[m[1]] = true
	}
	for _, m := range measures {
		asked[m.key] = true
	}
	for _, kind := range []string{schemas.TypeCall, schemas.TypeChat, schemas.TypeEmail} {
		asked["type_"+kind] = true
	}
	for key := range asked {
		if _, ok := words["en"][key]; !ok && !strings.HasSuffix(key, "_") {
			t.Errorf("there is no %q", key)
		}
	}
	made := regexp.MustCompile(`^(table|title|role|weekday|weekday_long|do|because)_|^no_(risks|opportunities|chats|emails)$|_(one|few|many|other)$`)
	for key := range words["en"] {
		if !asked[key] && !made.MatchString(key) && !strings.Contains(source, `"`+key+`"`) {
			t.Errorf("nobody says %q", key)
		}
	}
	for _, lang := range slices.Collect(maps.Keys(words)) {
		for _, key := range []string{report.AdviseTopicGrowth, report.AdviseNewTopic, report.AdviseUnresolved, report.AdviseSlowResponse, report.AdvisePeak, report.AdviseRisk, report.AdviseSales, report.AdviseSatisfaction, report.AdviseNegativeTopic} {
			if words[lang]["do_"+key] == "" || words[lang]["because_"+key] == "" {
				t.Errorf("%s has no words for %s", lang, key)
			}
		}
	}
}

func TestNumbersAndTimes(t *testing.T) {
	moscow := report.Report{Period: report.Period{Zone: "Europe/Moscow"}}
	en, ru := write(moscow, "en-US"), write(moscow, "RU")
	utc := func(month time.Month, day, hour int) time.Time {
		return time.Date(2025, month, day, hour, 0, 0, 0, time.UTC)
	}
	month := report.Period{From: utc(9, 30, 21), Until: utc(10, 31, 21)}
	day := report.Period{From: utc(10, 4, 21), Until: utc(10, 5, 21)}
	hours := report.Period{From: utc(10, 4, 6), Until: utc(10, 4, 9)}
	for _, c := range []struct{ got, want string }{
		{en.cell(table.Number, int64(1234567)), "1,234,567"}, {ru.cell(table.Number, int64(1234567)), "1 234 567"},
		{en.cell(table.Number, 4.56), "4.6"}, {ru.cell(table.Number, 1234.5), "1 234,5"}, {en.cell(table.Number, nil), "–"},
		{en.cell(table.Percent, 0.123), "12.3%"}, {ru.cell(table.Percent, 0.123), "12,3%"}, {ru.cell(table.Duration, 3725.4), "1:02:05"}, {ru.cell(table.Duration, 59.6), "1:00"},
		{en.cell(table.Date, "2025-10-05"), "5 Oct 2025"}, {ru.cell(table.Date, "2025-10-05"), "05.10.2025"}, {ru.shortDate("2025-10-05"), "5 окт."}, {ru.shortDate("soon"), "soon"},
		{en.cell(table.Time, utc(10, 4, 22)), "5 Oct 2025 01:00"}, {ru.cell(table.Time, utc(10, 4, 22)), "05.10.2025 01:00"},
		{en.period(month), "1 October 2025 – 31 October 2025"}, {ru.period(month), "1 октября 2025 г. – 31 октября 2025 г."}, {ru.period(day), "5 октября 2025 г."},
		{en.period(hours), "4 Oct 2025 09:00 – 4 Oct 2025 12:00"}, {write(report.Report{Period: report.Period{Zone: "Nowhere"}}, "").moment(utc(1, 2, 3)), "2 Jan 2025 03:00"},
		{en.count("conversation", 1), "1 conversation"}, {en.count("conversation", 0), "0 conversations"}, {ru.count("conversation", 1), "1 разговор"}, {ru.count("conversation", 3), "3 разговора"},
		{ru.count("conversation", 11), "11 разговоров"}, {ru.count("conversation", 1021), "1 021 разговор"}, {ru.count("email", 22), "22 письма"},
		{en.delta(table.Percent, 0.052), "+5.2 pp"}, {ru.delta(table.Number, -1.25), "−1,2"}, {en.delta(table.Number, int64(-3)), "−3"}, {en.delta(table.Duration, -62.0), "−1:02"}, {en.delta(table.Number, -0.01), "0.0"}, {en.delta(table.Number, nil), "–"},
		{en.change(table.Number, int64(110), int64(100)), "+10.0%"}, {en.change(table.Number, int64(3), int64(0)), "+3"}, {en.change(table.Number, 4.51, 4.52), "unchanged"},
		{clip("Преображенская-Достоевская", 10), "Преображе…"}, {clip("a\nb\u202Ec\x00", 10), "a bc"}, {en.peak("0 23"), "Monday, 23:00–00:00"}, {en.peak("9 9"), "9 9"},
	} {
		if got := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(c.got); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestLinks(t *testing.T) {
	for template, want := range map[string]string{"https://h.example/t/{code}?x={code}": "https://h.example/t/a%20b?x=a%20b", "javascript:alert({code})": "", "/tasks/{code}": "", "": "", "https://h.example/%zz/{code}": ""} {
		if got := write(report.Report{Link: template}, "en").link("a b"); got != want {
			t.Errorf("%s leads to %q, want %q", template, got, want)
		}
	}
}

// Advice of a reader that is newer than this program is shown with its numbers.
func TestAdviceWithoutWords(t *testing.T) {
	w := write(sampleOf(schemas.ReportBusiness, "full"), "en")
	if a := w.advice(report.Recommendation{Key: "buy_cake", Subject: "Friday", Value: 3, Against: 1, Count: 2}); a.Do != "buy_cake Friday" || !strings.Contains(a.Because, "3.0") || !strings.Contains(a.Because, "2 conversations") {
		t.Errorf("%+v", a)
	}
}
