package page

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

var kinds = []string{schemas.ReportStandard, schemas.ReportBusiness, schemas.ReportDaily}

func parse(t *testing.T, content []byte) *html.Node {
	t.Helper()
	node, err := html.Parse(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is what an element says, on one line.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// structure is what a reader finds on the page: headings, charts, tables with
// their columns and the number of their rows, how many of everything else.
func structure(root *html.Node) string {
	var b strings.Builder
	counted := map[string]int{}
	flush := func() {
		for _, what := range []string{"p", "tile", "advice", "case", "quote"} {
			if counted[what] > 0 {
				fmt.Fprintf(&b, "    %d × %s\n", counted[what], what)
			}
		}
		clear(counted)
	}
	for n := range root.Descendants() {
		parent := ""
		if n.Parent != nil {
			parent = attribute(n.Parent, "class")
		}
		switch class := attribute(n, "class"); {
		case n.DataAtom == atom.H1 || n.DataAtom == atom.H2 || n.DataAtom == atom.H3:
			flush()
			fmt.Fprintf(&b, "%s %s\n", strings.Repeat("#", int(n.Data[1]-'0')), cut(text(n)))
		case class == "chart":
			fmt.Fprintf(&b, "    chart %s: %s\n", attribute(n, "id"), cut(attribute(n, "aria-label")))
		case n.DataAtom == atom.Table:
			rows, names := -1, []string{}
			for d := range n.Descendants() {
				switch {
				case d.DataAtom == atom.Tr:
					rows++
				case d.DataAtom == atom.Th && attribute(d, "scope") == "col":
					names = append(names, cut(text(d)))
				}
			}
			fmt.Fprintf(&b, "    table %s, %d rows: %s\n", attribute(n, "id"), rows, strings.Join(names, " | "))
		case n.DataAtom == atom.Blockquote:
			counted["quote"]++
		case n.DataAtom == atom.Li && parent == "tiles":
			counted["tile"]++
		case n.DataAtom == atom.Li && parent == "cases":
			counted["case"]++
		case n.DataAtom == atom.Li && parent == "advice":
			counted["advice"]++
		case n.DataAtom == atom.P && parent == "whole":
			counted["p"]++
		case n.DataAtom == atom.Dt:
			fmt.Fprintf(&b, "    %s: %s\n", text(n), cut(text(n.Parent)))
		}
	}
	flush()
	return b.String()
}

func cut(s string) string {
	if letters := []rune(s); len(letters) > 70 {
		return string(letters[:70]) + "…"
	}
	return s
}

func TestPage(t *testing.T) {
	for _, kind := range kinds {
		for _, variant := range []string{"full", "empty", "single", "hostile"} {
			for _, lang := range []string{"en", "ru"} {
				name := kind + "-" + variant + "-" + lang
				t.Run(name, func(t *testing.T) {
					content := htmlOf(t, sampleOf(kind, variant), lang)
					if again := htmlOf(t, sampleOf(kind, variant), lang); !bytes.Equal(content, again) {
						t.Error("made again it is another one")
					}
					if len(content) > 3_000_000 {
						t.Errorf("%d bytes", len(content))
					}
					root := parse(t, content)
					sound(t, root)
					golden(t, name, structure(root))
				})
			}
		}
	}
}

// sound checks what must hold of every page: ids are there once and links lead
// somewhere, nothing is loaded, what may run is the two scripts of the policy.
func sound(t *testing.T, root *html.Node) {
	t.Helper()
	ids, leads, policy, scripts := map[string]int{}, []string{}, "", 0
	for n := range root.Descendants() {
		if id := attribute(n, "id"); id != "" {
			if ids[id]++; ids[id] > 1 {
				t.Errorf("two elements have the id %q", id)
			}
		}
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "srcset" || a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch {
		case n.DataAtom == atom.Meta && attribute(n, "http-equiv") == "Content-Security-Policy":
			policy = attribute(n, "content")
		case n.DataAtom == atom.A:
			leads = append(leads, attribute(n, "href"))
		case n.DataAtom == atom.Script && attribute(n, "type") == "application/json":
			var d drawing
			if err := json.Unmarshal([]byte(n.FirstChild.Data), &d); err != nil || d.Charts == nil {
				t.Errorf("the data of the charts: %v", err)
			}
		case n.DataAtom == atom.Script, n.DataAtom == atom.Style:
			if scripts++; !strings.Contains(policy, hash(n.FirstChild.Data)) {
				t.Errorf("the policy %q does not know <%s> with %d bytes", policy, n.Data, len(n.FirstChild.Data))
			}
		case slices.Contains([]atom.Atom{atom.Img, atom.Iframe, atom.Object, atom.Embed, atom.Link, atom.Base, atom.Form}, n.DataAtom):
			t.Errorf("there is a <%s>", n.Data)
		}
	}
	if scripts != 3 {
		t.Errorf("%d scripts and styles", scripts)
	}
	for _, to := range leads {
		if local, ok := strings.CutPrefix(to, "#"); ok && ids[local] != 1 || !ok && !strings.HasPrefix(to, "https://calls.example/tasks/0199f3a0-") {
			t.Errorf("a link leads to %q", to)
		}
	}
}

// golden holds a text against its file, and leaves what it got beside it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		failed := filepath.Join(os.TempDir(), name+".fail.txt")
		_ = os.WriteFile(failed, []byte(got), 0o600)
		t.Errorf("differs from %s (%v); compare with %s, then run go test -update", file, err, failed)
	}
}

func TestTables(t *testing.T) {
	good := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, kind := range kinds {
		for _, variant := range []string{"full", "empty", "single", "hostile", "many", "one"} {
			en, ru := Tables(sampleOf(kind, variant), "en-GB"), Tables(sampleOf(kind, variant), "ru-RU")
			if len(en) != len(ru) || len(en) == 0 {
				t.Fatalf("%s %s: %d tables in English, %d in Russian", kind, variant, len(en), len(ru))
			}
			seen := map[string]bool{}
			for i, tab := range en {
				if seen[tab.ID] || !good.MatchString(tab.ID) || tab.ID != ru[i].ID || len(tab.Rows) != len(ru[i].Rows) || tab.Title == ru[i].Title {
					t.Errorf("%s %s: table %q, in Russian %q %q", kind, variant, tab.ID, ru[i].ID, ru[i].Title)
				}
				seen[tab.ID] = true
				for _, row := range tab.Rows {
					if problem := fits(tab.Columns, row); problem != "" {
						t.Errorf("%s %s: table %s, row %v: %s", kind, variant, tab.ID, row, problem)
					}
				}
			}
		}
	}
}

// fits tells what is wrong with a row.
func fits(columns []table.Column, row []any) string {
	if len(row) != len(columns) {
		return fmt.Sprintf("%d cells", len(row))
	}
	for i, v := range row {
		ok := v == nil
		switch v.(type) {
		case string:
			ok = columns[i].Kind == table.Text || columns[i].Kind == table.Date
		case int64:
			ok = columns[i].Kind == table.Number
		case float64:
			ok = slices.Contains([]table.Kind{table.Number, table.Percent, table.Duration}, columns[i].Kind)
		case time.Time:
			ok = columns[i].Kind == table.Time
		}
		if !ok {
			return fmt.Sprintf("%s holds %T", columns[i].Name, v)
		}
	}
	return ""
}

// The page shows the numbers of the tables: all operators, and what the chart draws.
func TestPageShowsTheTables(t *testing.T) {
	r := sampleOf(schemas.ReportStandard, "many")
	root := parse(t, htmlOf(t, r, "ru"))
	var got []string
	for n := range root.Descendants() {
		if n.DataAtom == atom.Table && attribute(n, "id") == "table-operators" {
			for d := range n.Descendants() {
				if d.DataAtom == atom.Tr {
					got = append(got, text(d))
				}
			}
		}
	}
	w := write(r, "ru")
	tables := Tables(r, "ru")
	operators := tables[slices.IndexFunc(tables, func(t table.Table) bool { return t.ID == "operators" })]
	if len(got) != len(r.Quality.Operators)+1 || len(operators.Rows) != len(r.Quality.Operators) {
		t.Fatalf("%d rows on the page, %d in the table, %d operators", len(got)-1, len(operators.Rows), len(r.Quality.Operators))
	}
	for i, o := range r.Quality.Operators {
		for _, want := range []string{w.cell(table.Number, rank(o.Rank)), o.Name, w.cell(table.Number, o.Figures.Conversations), w.decimal(*o.Figures.Score), w.percent(*o.Figures.Empathy)} {
			if !strings.Contains(got[i+1], one(want)) {
				t.Errorf("row %q lacks %q", got[i+1], want)
			}
		}
	}
}

// Settings are counted on the page and named in the table. Of many a report names
// the first ones only, and says no number that is too small.
func TestSettings(t *testing.T) {
	for n, want := range map[int]string{0: "", 1: "1 version", report.MaxUsed - 1: "49 versions", report.MaxUsed: "at least 50 versions"} {
		r := sampleOf(schemas.ReportDaily, "single")
		r.Provenance.Profiles = nil
		for i := range n {
			r.Provenance.Profiles = append(r.Provenance.Profiles, report.Engine{Name: fmt.Sprintf("%012x", i), Conversations: 1})
		}
		got := ""
		for _, line := range write(r, "en").Origin() {
			if line.Name == "Settings" {
				got = strings.Join(line.Values, ", ")
			}
		}
		tables := Tables(r, "en")
		named := 0
		for _, row := range tables[len(tables)-1].Rows {
			if row[0] == "Settings" {
				named++
			}
		}
		if got != want || named != n {
			t.Errorf("%d settings: %q on the page, %d in the table", n, got, named)
		}
	}
}

func TestWrongKind(t *testing.T) {
	for _, r := range []report.Report{{}, {Kind: "weekly"}, {Kind: schemas.ReportDaily, Quality: &report.Quality{}}} {
		if err := HTML(io.Discard, r, "en"); err == nil || Tables(r, "en") != nil {
			t.Errorf("%q: %v", r.Kind, err)
		}
	}
}

func TestChartLibraryIsTheInstalledOne(t *testing.T) {
	f, err := parts()
	if err != nil {
		t.Fatal(err)
	}
	installed, err := os.ReadFile("../../.build/npm/node_modules/echarts/dist/echarts.min.js")
	if err != nil || string(f.Library) != string(installed) {
		t.Errorf("%v; assets/echarts.min.js.gz is not what npm installed: run deploy/setup/npm.sh, then deploy/setup/echarts.sh", err)
	}
	for _, end := range []string{"</script", "<!--"} {
		if strings.Contains(string(f.Library)+string(f.Script), end) {
			t.Errorf("a script holds %q, which ends it", end)
		}
	}
}
