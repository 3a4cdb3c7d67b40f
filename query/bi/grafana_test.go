package bi

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const grafana = "../../deploy/grafana/"

// dashboard is what Grafana's JSON says, as far as it is looked at here.
type dashboard struct {
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Query      string
		}
	}
	Panels []panel
}

type panel struct {
	ID         int
	Title      string
	Type       string
	Datasource struct{ Type, UID string }
	GridPos    struct{ X, Y, W, H int }
	Options    struct {
		XField string
		SortBy []struct{ DisplayName string }
	}
	FieldConfig struct {
		Overrides []struct {
			Matcher struct{ ID, Options string }
		}
	}
	Targets []struct {
		RefID, RawSQL, QueryType string
		Format                   int
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(grafana + "dashboards/overview.json")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var macro = regexp.MustCompile(`\$__(timeFilter|dateFilter|timeInterval)\((\w+)\)`)

// expand does what Grafana and its ClickHouse data source do to a query, for the sample's period by the day.
func expand(sql string, variables map[string]string) string {
	until := begin.AddDate(0, 0, sampleDays)
	for name, value := range variables {
		sql = strings.ReplaceAll(sql, "${"+name+":sqlstring}", value)
	}
	return macro.ReplaceAllStringFunc(sql, func(call string) string {
		m := macro.FindStringSubmatch(call)
		switch m[1] {
		case "timeFilter":
			return fmt.Sprintf("%[1]s >= toDateTime(%[2]d) AND %[1]s <= toDateTime(%[3]d)", m[2], begin.Unix(), until.Unix())
		case "dateFilter":
			return fmt.Sprintf("%[1]s >= toDate('%[2]s') AND %[1]s <= toDate('%[3]s')", m[2], begin.Format(time.DateOnly), until.Format(time.DateOnly))
		}
		return fmt.Sprintf("toStartOfInterval(toDateTime(%s), INTERVAL 86400 second)", m[2])
	})
}

// Every panel's query runs on the account for BI tools and gives the columns that the panel shows.
func TestPanelsShowWhatIsThere(t *testing.T) {
	d := readDashboard(t)
	for name, operator := range map[string]string{"all": "'*'", "one": "'Operator 7'", "two": "'Operator 7','Operator 8'"} {
		variables := map[string]string{"org": "'org_1'", "operator": operator}
		for _, p := range d.Panels {
			t.Run(name+"/"+p.Title, func(t *testing.T) {
				for _, target := range p.Targets {
					sql := expand(target.RawSQL, variables)
					if strings.Contains(sql, "$") {
						t.Fatalf("unknown macro or variable: %s", sql)
					}
					columns, all := rows(t, reader, sql)
					if len(all) == 0 || all[0][len(all[0])-1] == "NULL" {
						t.Errorf("%s gives %v", sql, all)
					}
					used := []string{}
					for _, o := range p.FieldConfig.Overrides {
						used = append(used, o.Matcher.Options)
					}
					if p.Options.XField != "" {
						used = append(used, p.Options.XField)
					}
					for _, s := range p.Options.SortBy {
						used = append(used, s.DisplayName)
					}
					for _, column := range used {
						if !slices.Contains(columns, column) {
							t.Errorf("the panel uses %s, the query gives %v", column, columns)
						}
					}
					if p.Type == "timeseries" && (columns[0] != "time" || target.Format != 0 || name == "all" && len(all) < sampleDays) {
						t.Errorf("a time series of %d rows %v, format %d", len(all), columns, target.Format)
					}
				}
			})
		}
	}
}

func TestVariablesOfTheDashboard(t *testing.T) {
	for _, v := range readDashboard(t).Templating.List {
		if v.Type != "query" {
			continue
		}
		_, all := rows(t, reader, expand(v.Query, map[string]string{"org": "'org_1'"}))
		if v.Name == "org" && fmt.Sprint(all) != "[[org_1] [org_2]]" && fmt.Sprint(all) != "[[org_2] [org_1]]" || v.Name == "operator" && len(all) < 100 {
			t.Errorf("%s has the values %v", v.Name, all)
		}
	}
}

func TestTheDashboardsShape(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 12 {
		t.Errorf("uid %q, schema version %d, %d panels", d.UID, d.SchemaVersion, len(d.Panels))
	}
	ids := map[int]bool{}
	cells := map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" || len(p.Targets) != 1 || p.Datasource.UID != "earshot" || p.Datasource.Type != "grafana-clickhouse-datasource" {
			t.Errorf("panel %d %q is not whole", p.ID, p.Title)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("%q does not fit: %v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}

// What is provisioned fits together: the data source that the panels name, and the folder that compose mounts.
func TestProvisioning(t *testing.T) {
	var sources struct {
		Datasources []struct {
			UID, Type      string
			JSONData       map[string]any    `yaml:"jsonData"`
			SecureJSONData map[string]string `yaml:"secureJsonData"`
		}
	}
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	var compose struct {
		Services map[string]struct {
			Profiles    []string
			Ports       []string
			Environment map[string]any
			Volumes     []string
		}
	}
	for file, dest := range map[string]any{"provisioning/datasources/earshot.yaml": &sources, "provisioning/dashboards/earshot.yaml": &providers, "../compose.yaml": &compose} {
		text, err := os.ReadFile(grafana + file)
		if err == nil {
			err = yaml.Unmarshal(text, dest)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	s, service := sources.Datasources[0], compose.Services["grafana"]
	if s.UID != "earshot" || s.Type != "grafana-clickhouse-datasource" || !slices.Equal(service.Profiles, []string{"grafana"}) {
		t.Errorf("data source %+v, profiles %v", s, service.Profiles)
	}
	if !slices.Equal(service.Ports, []string{"127.0.0.1:3000:3000"}) {
		t.Errorf("Grafana, whose password may be admin, listens on %v", service.Ports)
	}
	if service.Environment["GF_PLUGINS_PREINSTALL_SYNC"] != s.Type {
		t.Errorf("the data source is provisioned before its plugin is there: %v", service.Environment)
	}
	for _, name := range []string{"EARSHOT_SMTP_URL", "EARSHOT_PUBLIC_URL", "EARSHOT_WEBHOOK_KEY"} {
		if value, given := compose.Services["earshot"].Environment[name]; !given || value != nil {
			t.Errorf("compose does not pass %s on", name)
		}
	}
	for _, value := range []any{s.JSONData["host"], s.JSONData["port"], s.JSONData["defaultDatabase"], s.JSONData["username"], s.SecureJSONData["password"]} {
		name, found := strings.CutPrefix(fmt.Sprint(value), "$")
		if _, given := service.Environment[name]; !found || !given {
			t.Errorf("%v is no variable that compose gives to Grafana", value)
		}
	}
	if want := "./grafana/dashboards:" + providers.Providers[0].Options.Path + ":ro"; !slices.Contains(service.Volumes, want) {
		t.Errorf("compose does not mount %s", want)
	}
}
