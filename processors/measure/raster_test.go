package measure

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"earshot/schemas"
)

func show(v reflect.Value) string {
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// raster is the same measures by counting frames of 10 ms, as slow and plain as
// can be: the property test holds Conversation to it.
type raster struct {
	cfg    Config
	frames int
	roles  []string          // in order of appearance
	spoken map[string][]bool // by role
	words  map[string]int64
	marked []bool
	hold   []bool
}

const frame = 0.01

func frameOf(seconds float64) int { return int(math.Round(seconds / frame)) }

func draw(cfg Config, turns []schemas.Utterance, marks []schemas.Mark, frames int) *raster {
	r := &raster{cfg: cfg, frames: frames, spoken: map[string][]bool{}, words: map[string]int64{}, marked: make([]bool, frames), hold: make([]bool, frames)}
	paint := func(line []bool, start, end float64) {
		for i := frameOf(start); i < min(frameOf(end), frames); i++ {
			line[i] = true
		}
	}
	for _, u := range turns {
		if r.spoken[u.Speaker] == nil {
			r.roles, r.spoken[u.Speaker] = append(r.roles, u.Speaker), make([]bool, frames)
		}
		paint(r.spoken[u.Speaker], *u.Start, *u.End)
		r.words[u.Speaker]++
	}
	for _, m := range marks {
		paint(r.marked, m.Start, m.End)
		if m.Kind == schemas.MarkHold || m.Kind == schemas.MarkMusic {
			paint(r.hold, m.Start, m.End)
		}
	}
	return r
}

func count(line []bool, from, to int) (n int) {
	for _, on := range line[from:to] {
		if on {
			n++
		}
	}
	return n
}

func lasting(frames int) *float64 { return rounded(float64(frames)*frame, 2) }

// silence counts runs of frames between from and to where nobody speaks.
func (r *raster) silence(from, to int) *float64 {
	sum, run := 0, 0
	for i := from; i <= to; i++ {
		busy := i == to || r.marked[i]
		for _, line := range r.spoken {
			busy = busy || i < to && line[i]
		}
		if !busy {
			run++
			continue
		}
		if time.Duration(run)*10*time.Millisecond > r.cfg.Silence {
			sum += run
		}
		run = 0
	}
	return lasting(sum)
}

// stretch is a turn on the raster.
type stretch struct {
	role     string
	from, to int
}

// stretches are the runs of each role, with gaps of 30 frames and less filled.
func (r *raster) stretches() (all []stretch) {
	for _, role := range r.roles {
		last := -1000
		for i, on := range r.spoken[role] {
			switch {
			case on && i-last > 31:
				all = append(all, stretch{role, i, i + 1})
				last = i
			case on:
				all[len(all)-1].to, last = i+1, i
			}
		}
	}
	slices.SortStableFunc(all, func(a, b stretch) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	return all
}

func (s stretch) aside(o stretch) bool {
	return s.role != o.role && s.to-s.from < 100 && o.from <= s.from && s.to <= o.to
}

func (r *raster) interruptions() (found []schemas.Interruption) {
	all := r.stretches()
	for _, s := range all {
		best := 0
		for _, o := range all {
			if s.role == schemas.RoleSystem || o.role == schemas.RoleSystem || s.role == o.role || o.from >= s.from || o.to <= s.from || s.aside(o) {
				continue
			}
			if shared := min(s.to, o.to) - s.from; shared > 30 {
				best = max(best, shared)
			}
		}
		if best > 0 {
			found = append(found, schemas.Interruption{Start: *lasting(s.from), End: *lasting(s.from + best), By: s.role})
		}
	}
	return found
}

func (r *raster) monologues() map[string]int {
	all := r.stretches()
	longest, role, run := map[string]int{}, "", 0
	for i, s := range all {
		if slices.ContainsFunc(all[:i], s.aside) {
			continue
		}
		if s.role != role {
			role, run = s.role, 0
		}
		run += count(r.spoken[role], s.from, s.to)
		longest[role] = max(longest[role], run)
	}
	return longest
}

func (r *raster) metrics(turns []schemas.Utterance, length int) schemas.Metrics {
	m := schemas.Metrics{Turns: int64(len(turns)), Interrupted: r.interruptions()}
	interruptions := int64(len(m.Interrupted))
	m.Interruptions = &interruptions
	begin, end := r.frames, length
	if length > 0 {
		begin = 0
		m.Hold = lasting(count(r.hold, 0, length))
	}
	for _, u := range turns {
		begin, end = min(begin, frameOf(*u.Start)), max(end, frameOf(*u.End))
	}
	m.Silence = r.silence(begin, end)
	talk, over := 0, 0
	for i := range r.frames {
		speaking := 0
		for role, line := range r.spoken {
			if role != schemas.RoleSystem && line[i] {
				speaking++
			}
		}
		talk += speaking
		if speaking > 1 {
			over++
		}
	}
	m.Overlap = lasting(over)
	longest := r.monologues()
	for _, role := range r.roles {
		own := count(r.spoken[role], 0, r.frames)
		s := schemas.SpeakerMetrics{Role: role, Words: r.words[role], Talk: lasting(own)}
		s.WordsPerMinute = rounded(float64(s.Words)/(float64(own)*frame/60), 1)
		if length > 0 {
			s.ShareOfDuration = rounded(float64(own)/float64(end), 4)
		}
		if role != schemas.RoleSystem {
			m.Words += s.Words
			s.ShareOfTalk = rounded(float64(own)/float64(talk), 4)
			s.LongestMonologue = lasting(longest[role])
			if m.LongestMonologue == nil || *s.LongestMonologue > *m.LongestMonologue {
				m.LongestMonologue = s.LongestMonologue
			}
			by := int64(0)
			for _, i := range m.Interrupted {
				if i.By == role {
					by++
				}
			}
			s.Interruptions = &by
		}
		m.Speakers = append(m.Speakers, s)
	}
	return m
}

func TestMeasuresAreThoseOfARaster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Silence: time.Duration(rapid.IntRange(1, 500).Draw(t, "silence")) * 10 * time.Millisecond}
		const most = 6000
		roles := []string{schemas.RoleOperator, schemas.RoleCustomer, schemas.RoleSystem}
		var turns []schemas.Utterance
		for range rapid.IntRange(1, 20).Draw(t, "turns") {
			from := rapid.IntRange(0, most-600).Draw(t, "from")
			to := from + rapid.OneOf(rapid.IntRange(1, 120), rapid.IntRange(1, 600)).Draw(t, "length")
			turns = append(turns, said(rapid.SampledFrom(roles).Draw(t, "role"), float64(from)*frame, float64(to)*frame, "word"))
		}
		// One person at least, else overlap is unknown.
		turns = append(turns, said(schemas.RoleOperator, 0, 0.5, "word"))
		slices.SortStableFunc(turns, func(a, b schemas.Utterance) int { return int(frameOf(*a.Start) - frameOf(*b.Start)) })
		var marks []schemas.Mark
		for range rapid.IntRange(0, 4).Draw(t, "marks") {
			from := rapid.IntRange(0, most-600).Draw(t, "mark from")
			kind := rapid.SampledFrom([]string{schemas.MarkHold, schemas.MarkMusic, schemas.MarkTone}).Draw(t, "kind")
			marks = append(marks, schemas.Mark{Kind: kind, Start: float64(from) * frame, End: float64(from+rapid.IntRange(1, 600).Draw(t, "mark length")) * frame})
		}
		length := rapid.SampledFrom([]int{0, most / 2, most}).Draw(t, "duration")
		got := Conversation(cfg, turns, marks, float64(length)*frame)
		want := draw(cfg, turns, marks, most).metrics(turns, length)
		// Counted by the table test; these follow turns, not frames.
		want.OperatorTurns, want.CustomerTurns, want.FirstResponse, want.AverageResponse = got.OperatorTurns, got.CustomerTurns, got.FirstResponse, got.AverageResponse
		for _, s := range want.Speakers {
			switch s.Role {
			case schemas.RoleOperator:
				want.OperatorTalk = s.Talk
			case schemas.RoleCustomer:
				want.CustomerTalk = s.Talk
			}
		}
		g, w := reflect.ValueOf(got), reflect.ValueOf(want)
		for i := range g.NumField() {
			if name := g.Type().Field(i).Name; show(g.Field(i)) != show(w.Field(i)) {
				t.Errorf("%s is %s, the raster says %s", name, show(g.Field(i)), show(w.Field(i)))
			}
		}
	})
}
