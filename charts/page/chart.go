package page

import (
	"fmt"
	"math"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"earshot/charts/table"
)

// chart is one picture of a table. go-echarts says what is drawn; colours, fonts,
// the language of numbers and what depends on the width are page.js's.
type chart struct {
	ID      string         `json:"id"`
	Label   string         `json:"-"` // for those who cannot see it
	Height  int            `json:"-"` // pixels
	Formats []string       `json:"formats"`
	Option  map[string]any `json:"option"`
}

// mostBars is how many bars one chart has; the table has the rest.
const mostBars = 40

// longest is what a name takes in a chart, in letters; page.js shortens it further.
const longest = 60

// picture finishes a chart. formats are those of the values, by axis.
func picture(t *table.Table, height int, option map[string]any, formats ...string) *chart {
	for _, unused := range []string{"title", "toolbox", "color"} {
		delete(option, unused)
	}
	return &chart{ID: "chart-" + t.ID, Label: t.Title, Height: height, Formats: formats, Option: option}
}

// format is what page.js calls a kind.
func format(kind table.Kind) string {
	switch kind {
	case table.Percent:
		return "percent"
	case table.Duration:
		return "duration"
	}
	return "number"
}

// plot is a column of the table that is drawn. High is where its axis ends, 0: where the values do.
type plot struct {
	column int
	second bool // on the axis to the right
	high   float64
	color  string   // of page.css; "": the next of the palette
	mark   *float64 // the team's value
}

// Lines and what they join differ in form as well, for those who see no colours and for grey paper.
var (
	symbols = []string{"circle", "triangle", "rect", "diamond"}
	dashes  = []string{"solid", "dashed", "dotted", "solid"}
)

// lines draws columns over the days of the first one.
func (w *writing) lines(t *table.Table, plots ...plot) *chart {
	if len(t.Rows) < 2 {
		return nil // one day has no course
	}
	c := charts.NewLine()
	days := make([]string, len(t.Rows))
	for i, row := range t.Rows {
		days[i] = w.shortDate(row[0].(string))
	}
	c.SetXAxis(days)
	formats := w.axes(&c.BaseConfiguration, t, plots)
	for i, p := range plots {
		data := make([]opts.LineData, len(t.Rows))
		for r, row := range t.Rows {
			data[r].Value = row[p.column]
		}
		axis := 0
		if p.second {
			axis = 1
		}
		c.AddSeries(t.Columns[p.column].Name, data,
			charts.WithLineChartOpts(opts.LineChart{YAxisIndex: axis, Symbol: symbols[i%len(symbols)], SymbolSize: 7, ShowSymbol: opts.Bool(len(days) <= 62)}),
			charts.WithLineStyleOpts(opts.LineStyle{Type: dashes[i%len(dashes)], Width: 2}), charts.WithItemStyleOpts(opts.ItemStyle{Color: p.color}))
	}
	c.SetGlobalOptions(charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "axis"}), charts.WithLegendOpts(opts.Legend{Show: opts.Bool(len(plots) > 1), Top: "0"}))
	c.Validate()
	return picture(t, 280, c.JSON(), formats...)
}

// axes are those of the values: one, or two when a plot wants the second.
func (w *writing) axes(c *charts.BaseConfiguration, t *table.Table, plots []plot) (formats []string) {
	axes := []opts.YAxis{{Type: "value"}}
	formats = []string{format(t.Columns[plots[0].column].Kind)}
	plotted := map[int]int{}
	for _, p := range plots {
		i := 0
		if p.second && len(axes) == 1 {
			axes = append(axes, opts.YAxis{Type: "value", SplitLine: &opts.SplitLine{Show: opts.Bool(false)}})
			formats = append(formats, format(t.Columns[p.column].Kind))
		}
		if p.second {
			i = 1
		}
		if p.high > 0 {
			axes[i].Max = p.high
		}
		if plotted[i]++; plotted[i] == 1 {
			axes[i].Name = t.Columns[p.column].Name
		} else {
			axes[i].Name = "" // the legend names what shares an axis
		}
	}
	if len(axes) == 1 {
		axes[0].Name = ""
	}
	c.YAxisList = axes
	return formats
}

// bars draws upright bars over the few values of the first column.
func (w *writing) bars(t *table.Table, plots ...plot) *chart {
	return w.bar(t, t.Rows, 0, false, 280, plots)
}

// ranking draws bars that lie, one under the other, as their names are long. Stacked
// ones are parts of one whole.
func (w *writing) ranking(t *table.Table, name int, stacked bool, plots ...plot) *chart {
	rows := t.Rows
	if len(rows) > mostBars {
		rows = rows[:mostBars]
	}
	wide := 26
	if !stacked && len(plots) > 1 {
		wide = 18 * len(plots)
	}
	height := 70 + wide*len(rows)
	if plots[0].mark != nil {
		height += 24
	}
	c := w.bar(t, rows, name, stacked, height, plots)
	if c == nil {
		return nil
	}
	// The first one is on top.
	across := c.Option["yAxis"].([]opts.YAxis)
	names := c.Option["xAxis"].([]opts.XAxis)
	c.Option["yAxis"] = []opts.YAxis{{Type: "category", Inverse: opts.Bool(true), Data: names[0].Data}}
	c.Option["xAxis"] = []opts.XAxis{{Type: "value", Max: across[0].Max}}
	return c
}

func (w *writing) bar(t *table.Table, rows [][]any, name int, stacked bool, height int, plots []plot) *chart {
	if len(rows) == 0 {
		return nil
	}
	c := charts.NewBar()
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = clip(w.cell(t.Columns[name].Kind, row[name]), longest)
	}
	c.SetXAxis(unique(names))
	formats := w.axes(&c.BaseConfiguration, t, plots)
	for _, p := range plots {
		data := make([]opts.BarData, len(rows))
		for r, row := range rows {
			data[r].Value = row[p.column]
		}
		bar := opts.BarChart{BarCategoryGap: "30%"}
		if stacked {
			bar.Stack = "all"
		}
		c.AddSeries(t.Columns[p.column].Name, data, charts.WithBarChartOpts(bar), charts.WithItemStyleOpts(opts.ItemStyle{Color: p.color}),
			charts.WithLabelOpts(opts.Label{Show: opts.Bool(len(plots) == 1 || stacked)}), w.marked(p.mark))
	}
	c.SetGlobalOptions(charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "axis"}), charts.WithLegendOpts(opts.Legend{Show: opts.Bool(len(plots) > 1), Top: "0"}))
	c.Validate()
	return picture(t, height, c.JSON(), formats...)
}

// marked draws what the bars of a ranking are held against.
func (w *writing) marked(v *float64) charts.SeriesOpts {
	if v == nil {
		return func(*charts.SingleSeries) {}
	}
	return charts.WithMarkLineNameXAxisItemOpts(opts.MarkLineNameXAxisItem{Name: w.word("team"), XAxis: *v})
}

// heat draws a table whose first column names its rows and whose other columns are numbers.
func (w *writing) heat(t *table.Table) *chart {
	c := charts.NewHeatMap()
	var names, over []string
	var data []opts.HeatMapData
	most := 0.0
	for _, column := range t.Columns[1:] {
		over = append(over, column.Name)
	}
	for y, row := range t.Rows {
		names = append(names, row[0].(string))
		for x, v := range row[1:] {
			if v != nil {
				most = max(most, number64(v))
				data = append(data, opts.HeatMapData{Value: []any{x, y, v}})
			}
		}
	}
	if most == 0 {
		return nil
	}
	c.SetXAxis(over).AddSeries(t.Title, data, charts.WithLabelOpts(opts.Label{Show: opts.Bool(true)}))
	c.SetGlobalOptions(charts.WithXAxisOpts(opts.XAxis{Type: "category", Data: over}), charts.WithYAxisOpts(opts.YAxis{Type: "category", Inverse: opts.Bool(true), Data: names}),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "item"}),
		charts.WithVisualMapOpts(opts.VisualMap{Show: opts.Bool(false), Max: float32(most), InRange: &opts.VisualMapInRange{Color: []string{"--heat-low", "--heat-high"}}}))
	c.Validate()
	return picture(t, 60+34*len(names), c.JSON(), "number")
}

// radar draws the first rows of a table over its columns from the second on, each 0..100.
func (w *writing) radar(t *table.Table) *chart {
	c := charts.NewRadar()
	var spokes []*opts.Indicator
	for _, column := range t.Columns[1:] {
		spokes = append(spokes, &opts.Indicator{Name: column.Name, Max: 100})
	}
	for i, row := range t.Rows {
		values := make([]any, len(row)-1)
		for k, v := range row[1:] {
			if values[k] = v; v == nil {
				values[k] = "-" // what echarts takes for unknown
			}
		}
		c.AddSeries(clip(w.cell(table.Text, row[0]), longest), []opts.RadarData{{Name: clip(w.cell(table.Text, row[0]), longest), Value: values}},
			charts.WithRadarChartOpts(opts.RadarChart{Symbol: symbols[i%len(symbols)], SymbolSize: 6}), charts.WithLineStyleOpts(opts.LineStyle{Type: dashes[i%len(dashes)], Width: 2}),
			charts.WithAreaStyleOpts(opts.AreaStyle{Opacity: opts.Float([]float32{0.15, 0}[min(i, 1)])}))
	}
	c.SetGlobalOptions(charts.WithRadarComponentOpts(opts.RadarComponent{Indicator: spokes, SplitNumber: 4}),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "item"}), charts.WithLegendOpts(opts.Legend{Show: opts.Bool(true), Top: "0"}))
	c.Validate()
	return picture(t, 300, c.JSON(), "number")
}

// funnel draws the stages of a table: names, then numbers, each as wide as it is of
// the largest; what part of the stage before that is stands in another column.
func (w *writing) funnel(t *table.Table, conversion int) *chart {
	c := charts.NewFunnel()
	var data []opts.FunnelData
	most := int64(0)
	for _, row := range t.Rows {
		name := row[0].(string)
		if share, ok := row[conversion].(float64); ok {
			name = w.fill("converted", "stage", name, "share", w.percent(share))
		}
		data = append(data, opts.FunnelData{Name: name, Value: row[1]})
		most = max(most, row[1].(int64))
	}
	if most == 0 {
		return nil
	}
	c.AddSeries(t.Title, data, charts.WithLabelOpts(opts.Label{Show: opts.Bool(true), Position: "inside"}), charts.WithSeriesOpts(func(s *charts.SingleSeries) { s.Sort = "none" }))
	c.SetGlobalOptions(charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "item"}), charts.WithLegendOpts(opts.Legend{Show: opts.Bool(false)}))
	c.Validate()
	return picture(t, 60+40*len(data), c.JSON(), "number")
}

// treemap draws the names of a table as large as their numbers.
func (w *writing) treemap(t *table.Table) *chart {
	c := charts.NewTreeMap()
	var data []opts.TreeMapNode
	for _, row := range t.Rows {
		if n := row[1].(int64); n > 0 {
			data = append(data, opts.TreeMapNode{Name: clip(row[0].(string), longest), Value: int(n)})
		}
	}
	if len(data) == 0 {
		return nil
	}
	c.AddSeries(t.Title, data, charts.WithTreeMapOpts(opts.TreeMapChart{Roam: opts.Bool(false), Levels: &[]opts.TreeMapLevel{{Color: []string{"--tree-1", "--tree-2", "--tree-3", "--tree-4"}, ColorMappingBy: "index"}}}))
	c.SetGlobalOptions(charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "item"}))
	c.Validate()
	return picture(t, 340, c.JSON(), "number")
}

// sankey draws how what is in the first column goes over into what is in the second.
func (w *writing) sankey(t *table.Table, colors map[string]string) *chart {
	var from, to []string
	seen := map[string]bool{}
	for _, row := range t.Rows {
		for i, list := range []*[]string{&from, &to} {
			if key := fmt.Sprint(i, row[i]); !seen[key] {
				seen[key] = true
				*list = append(*list, row[i].(string))
			}
		}
	}
	if len(from) == 0 {
		return nil
	}
	// One name is one place: a reason that is called as an outcome would lead into itself.
	var nodes []opts.SankeyNode
	names := unique(clipped(append(append([]string{}, from...), to...)))
	left, right := map[string]string{}, map[string]string{}
	for i, name := range names {
		depth := 0
		node := opts.SankeyNode{Name: name, Depth: &depth, ItemStyle: &opts.ItemStyle{Color: "--before"}}
		if i < len(from) {
			left[from[i]] = name
		} else {
			depth = 1
			right[to[i-len(from)]] = name
			node.ItemStyle = &opts.ItemStyle{Color: colors[to[i-len(from)]]}
		}
		nodes = append(nodes, node)
	}
	var links []opts.SankeyLink
	for _, row := range t.Rows {
		links = append(links, opts.SankeyLink{Source: left[row[0].(string)], Target: right[row[1].(string)], Value: float32(row[2].(int64))})
	}
	c := charts.NewSankey()
	c.AddSeries(t.Title, nodes, links, charts.WithLabelOpts(opts.Label{Show: opts.Bool(true)}), charts.WithLineStyleOpts(opts.LineStyle{Color: "target", Opacity: opts.Float(0.35), Curveness: 0.5}))
	c.SetGlobalOptions(charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "item"}))
	c.Validate()
	return picture(t, int(math.Max(260, float64(60+36*len(from)))), c.JSON(), "number")
}

func clipped(names []string) []string {
	for i := range names {
		names[i] = clip(names[i], longest)
	}
	return names
}

// unique numbers names that are there already: echarts takes equal ones for one.
func unique(names []string) []string {
	seen := map[string]bool{}
	for i, name := range names {
		for n := 2; seen[names[i]]; n++ {
			names[i] = fmt.Sprintf("%s (%d)", name, n)
		}
		seen[names[i]] = true
	}
	return names
}
