package e2e

import (
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"

	"earshot/schemas"
)

// figures are the samples of GET /metrics, by name and labels as they are
// printed.
func (s *stack) figures() map[string]float64 {
	s.Helper()
	a := s.call(s.Client, http.MethodGet, "/metrics", nil, nil)
	if a.status != http.StatusOK {
		s.Fatalf("GET /metrics: HTTP %d %s", a.status, a.body)
	}
	figures := map[string]float64{}
	for line := range strings.Lines(string(a.body)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		// A label's value may hold spaces, the sample's does not.
		if i := strings.LastIndexByte(line, ' '); i > len(name) {
			name, value = line[:i], strings.TrimSpace(line[i:])
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			s.Fatalf("GET /metrics: %q", line)
		}
		figures[name] = v
	}
	return figures
}

// lagging names the consumers that have not read everything, "" for none.
func (s *stack) lagging() string {
	s.Helper()
	figures := s.figures()
	var behind []string
	for _, stage := range []string{schemas.StageWarehouse, schemas.StageState} {
		known := false
		for name, lag := range figures {
			if !strings.HasPrefix(name, "earshot_stage_lag_records{") || !strings.Contains(name, `stage="`+stage+`"`) {
				continue
			}
			known = true
			if lag > 0 {
				behind = append(behind, fmt.Sprintf("%s is %v", name, lag))
			}
		}
		if !known {
			behind = append(behind, "no lag of stage "+stage+" in /metrics")
		}
	}
	sort.Strings(behind)
	return strings.Join(behind, ", ")
}
