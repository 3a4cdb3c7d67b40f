package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// figure is one line of the output. Target 0 is none: a figure to know.
type figure struct {
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"`
	Spread float64 `json:"spread,omitempty"` // of the runs: (slowest - fastest) / median
	Runs   int     `json:"runs,omitempty"`
	Cores  int     `json:"cores"`
	Note   string  `json:"note,omitempty"`
}

func (b *bench) report(f figure) {
	f.Cores = cores()
	b.figures = append(b.figures, f)
	line, err := json.Marshal(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchstt:", err)
		return
	}
	fmt.Println(string(line))
}

// atMost reports a figure that must not be more than target.
func (b *bench) atMost(name string, value float64, unit string, target float64, note string) {
	met := value <= target // false for NaN
	b.report(figure{Figure: name, Value: value, Unit: unit, Target: target, Met: &met, Note: note})
}

// timed reports how long a contender took and returns the median.
func (b *bench) timed(name string, all []float64, note string) float64 {
	slices.Sort(all)
	m := all[len(all)/2]
	b.report(figure{Figure: name, Value: m, Unit: "s", Spread: (all[len(all)-1] - all[0]) / m, Runs: len(all), Note: note})
	return m
}

func (b *bench) table(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "\nfigure\tvalue\ttarget\t\tspread\t\n")
	for _, f := range b.figures {
		target, met, spread := "", "", ""
		if f.Met != nil {
			target, met = fmt.Sprintf("%.3g", f.Target), map[bool]string{true: "met", false: "NOT MET"}[*f.Met]
		}
		if f.Runs > 1 {
			spread = fmt.Sprintf("±%.0f %%", 50*f.Spread)
		}
		fmt.Fprintf(w, "%s\t%.4g %s\t%s\t%s\t%s\t%s\n", f.Figure, f.Value, f.Unit, target, met, spread, f.Note)
	}
	return w.Flush()
}

// contender does the same work as the others in its own way.
type contender struct {
	name string
	work func(context.Context) error
	took []float64 // seconds
}

// race has the contenders take turns, each first as often as last, after a
// turn of each that does not count.
func (b *bench) race(ctx context.Context, all ...*contender) error {
	for run := range b.runs + 1 {
		for i := range all {
			c := all[(i+run)%len(all)]
			begin := time.Now()
			if err := c.work(ctx); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			took := time.Since(begin).Seconds()
			if run > 0 {
				c.took = append(c.took, took)
			}
			fmt.Fprintf(os.Stderr, "benchstt: %s, run %d of %d: %.2f s\n", c.name, run, b.runs, took)
		}
	}
	return nil
}

// ratio is of two medians; not a number when one was not measured.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return a / b
}
