package measure

import (
	"cmp"
	"slices"
	"time"

	"earshot/schemas"
)

const (
	// A pause of breath or less is within a turn: recognisers cut a sentence
	// where they like, and who goes on speaking interrupts nobody.
	breath = 300 * time.Millisecond
	// What two turns share up to talkOver is one following the other closely.
	talkOver = 300 * time.Millisecond
	// A turn shorter than backChannel within another's is a "yes" in passing
	// (V. Yngve, "On getting a word in edgewise", 1970).
	backChannel = time.Second
)

// turn is what one role says without a pause longer than breath.
type turn struct {
	span
	role string
	talk time.Duration // without the pauses in it
}

// turnsOf puts the turns of all in the order in which they begin; of several
// that begin at once the longest first.
func turnsOf(voices []*voice) (all []turn) {
	for _, v := range voices {
		i := 0
		for _, whole := range union(slices.Clone(v.spans), breath) {
			t := turn{span: whole, role: v.Role}
			for ; i < len(v.spans) && v.spans[i].to <= whole.to; i++ {
				t.talk += v.spans[i].length()
			}
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b turn) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	return all
}

// isBackChannel says whether t is a back-channel to other.
func (t turn) isBackChannel(other turn) bool {
	return t.length() < backChannel && other.from <= t.from && t.to <= other.to
}

// latest is, by role, the turn that began last. Turns of one role are disjoint,
// so no earlier one can go on.
type latest map[string]turn

// monologues sets the longest one of each who is known, and the longest of all.
func monologues(m *schemas.Metrics, voices []*voice, all []turn) {
	longest := map[string]time.Duration{}
	began := latest{}
	role, run := "", time.Duration(0)
	for _, t := range all {
		aside := false
		for r, other := range began {
			aside = aside || r != t.role && t.isBackChannel(other)
		}
		began[t.role] = t
		if aside {
			continue
		}
		if t.role != role {
			role, run = t.role, 0
		}
		run += t.talk
		longest[role] = max(longest[role], run)
	}
	for _, v := range voices {
		if !v.known() {
			continue
		}
		v.LongestMonologue = inSeconds(longest[v.Role])
		if m.LongestMonologue == nil || *v.LongestMonologue > *m.LongestMonologue {
			m.LongestMonologue = v.LongestMonologue
		}
	}
}

// interruptions finds who talks over whom. A turn interrupts once, whoever many
// it talks over.
func interruptions(m *schemas.Metrics, voices []*voice, all []turn) {
	counts := map[string]int64{}
	began := latest{}
	for _, t := range all {
		if t.role == schemas.RoleSystem {
			continue
		}
		var shared span
		for r, other := range began {
			both := span{t.from, min(t.to, other.to)}
			if r != t.role && other.from < t.from && both.length() > talkOver && !t.isBackChannel(other) && both.length() > shared.length() {
				shared = both
			}
		}
		began[t.role] = t
		if shared.length() > 0 {
			counts[t.role]++
			m.Interrupted = append(m.Interrupted, schemas.Interruption{Start: *inSeconds(shared.from), End: *inSeconds(shared.to), By: t.role})
		}
	}
	n := int64(len(m.Interrupted))
	m.Interruptions = &n
	for _, v := range voices {
		if v.person() {
			own := counts[v.Role]
			v.Interruptions = &own
		}
	}
}
