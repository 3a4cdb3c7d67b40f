package transcribe

import (
	_ "embed"
	"math"
	"regexp"
	"slices"
	"strings"

	"earshot/schemas"
)

// Phrases that tell who speaks.
var (
	//go:embed cues/operator.txt
	operatorText string
	//go:embed cues/customer.txt
	customerText string
	//go:embed cues/machine.txt
	machineText string
	//go:embed cues/hold.txt
	holdText string

	operatorCues, customerCues = phrases(operatorText), phrases(customerText)
	machineCues, holdCues      = phrases(machineText), phrases(holdText)
)

// phrases reads a list: a phrase a line, # begins a comment.
func phrases(text string) map[string]bool {
	list := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list[words(line)] = true
		}
	}
	return list
}

var notWord = regexp.MustCompile(`[^\p{L}\p{N}]+`)

// words is a text in lower case, its words a space apart.
func words(text string) string {
	return strings.TrimSpace(notWord.ReplaceAllString(strings.ToLower(text), " "))
}

// count is how many of the phrases a text holds, each once.
func count(cues map[string]bool, said string) (n int) {
	said = " " + said + " "
	for cue := range cues {
		if strings.Contains(said, " "+cue+" ") {
			n++
		}
	}
	return n
}

// rolesOf gives the role of each of n channels: as the submission says, else as
// its source records them. stated is whether the submission says so for one at
// least.
func rolesOf(given []schemas.Channel, source string, n int) (roles []string, stated bool) {
	roles = slices.Repeat([]string{schemas.RoleUnknown}, n)
	for _, c := range given {
		if c.Index >= 0 && c.Index < int64(n) && c.Role != "" {
			roles[c.Index], stated = c.Role, true
		}
	}
	if len(given) == 0 {
		copy(roles, schemas.ChannelRoles(source))
	}
	return roles, stated
}

// Weights of evidence for a voice being the operator's, in log odds.
const (
	operatorCue = 1.5
	customerCue = 1.2
	speaksFirst = 0.5 // who answers the call speaks first; of a call out that is the customer
	leastSure   = 0.6 // below it nobody is named
	mostSure    = 0.98
)

// outbound is a call that the operator makes.
const outbound = "outbound"

// nameVoices says which voice is the operator's by what each says; all other
// voices are the customer's when there are two, unknown when there are more.
// The confidence belongs to all names; below leastSure nobody is named.
func nameVoices(segments []segment, voices int, callType string) (roles []string, confidence float64) {
	roles = slices.Repeat([]string{schemas.RoleUnknown}, voices)
	odds := make([]float64, voices)
	if len(segments) > 0 && callType != outbound {
		odds[segments[0].voice] += speaksFirst
	}
	for _, s := range segments {
		said := words(s.Text)
		odds[s.voice] += operatorCue*float64(count(operatorCues, said)) - customerCue*float64(count(customerCues, said))
	}
	best := 0
	for v := range odds {
		if odds[v] > odds[best] {
			best = v
		}
	}
	runnerUp := math.Inf(-1)
	for v := range odds {
		if v != best {
			runnerUp = max(runnerUp, odds[v])
		}
	}
	confidence = min(mostSure, 1/(1+math.Exp(runnerUp-odds[best])))
	if voices < 2 || confidence < leastSure {
		return roles, 0
	}
	if voices == 2 {
		roles[1-best] = schemas.RoleCustomer
	}
	roles[best] = schemas.RoleOperator
	return roles, confidence
}

// guess gives the operator what only an operator says and leaves the rest
// unknown: a guess must not look like knowledge. It is for one voice, or voices
// that could not be told apart.
func guess(utterances []schemas.Utterance) (confidence *float64) {
	for i := range utterances {
		u := &utterances[i]
		said := words(u.Text)
		if n := count(operatorCues, said) - count(customerCues, said); n > 0 && u.Speaker == schemas.RoleUnknown {
			sure := min(mostSure, 1/(1+math.Exp(-operatorCue*float64(n))))
			u.Speaker, u.RoleConfidence = schemas.RoleOperator, &sure
			if confidence == nil || sure < *confidence {
				confidence = &sure
			}
		}
	}
	return confidence
}
