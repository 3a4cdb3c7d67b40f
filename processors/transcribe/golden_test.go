//go:build whisper

package transcribe

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"earshot/schemas"
)

// Word error rate that the model that ships may have on the sample calls: on
// each, and on all together.
const (
	worstOnOne = 0.5
	worstOnAll = 0.3
)

var line = regexp.MustCompile(`(?m)^(Operator|Client)(?:\(-?\d+\))?: (.+)$`)

// The sample calls, heard by the model that ships, are the dialogues that were
// spoken, and where each side has a channel, by whom.
func TestSamplesAreHeard(t *testing.T) {
	cfg := testConfig()
	tr := newTranscriber(t, cfg, nil)
	samples, err := filepath.Glob("../../deploy/samples/calls/*.txt")
	if err != nil || len(samples) < 6 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	wrong, spoken := 0, 0
	for _, path := range samples {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		if strings.HasSuffix(name, "-ru") {
			continue // the model knows English only
		}
		said, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := transcribe(t, tr, schemas.TaskSubmitted{}, strings.TrimSuffix(path, ".txt")+".ogg")
		var want, heard []string
		by := map[string]int{}
		for _, l := range line.FindAllStringSubmatch(string(said), -1) {
			want = append(want, strings.Fields(words(l[2]))...)
		}
		for _, u := range got.Utterances {
			heard = append(heard, strings.Fields(words(u.Text))...)
			by[u.Speaker]++
		}
		errors := edits(want, heard)
		wrong, spoken = wrong+errors, spoken+len(want)
		rate := float64(errors) / float64(len(want))
		t.Logf("%s: word error rate %.0f%%, roles from %s", name, 100*rate, got.RoleSource)
		if rate > worstOnOne {
			t.Errorf("%s: word error rate %.0f%%; heard %q", name, 100*rate, strings.Join(heard, " "))
		}
		if strings.Contains(string(said), "channels=2") && (got.RoleSource != schemas.RoleFromChannel || by[schemas.RoleOperator] < 3 || by[schemas.RoleCustomer] < 3) {
			t.Errorf("%s: roles from %s, %v utterances", name, got.RoleSource, by)
		}
	}
	if rate := float64(wrong) / float64(spoken); rate > worstOnAll {
		t.Errorf("word error rate %.0f%% on all, want %.0f%% or less", 100*rate, 100*worstOnAll)
	}
}

// edits is how many words are to be inserted, deleted or replaced to make b of
// a (Levenshtein).
func edits(a, b []string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
