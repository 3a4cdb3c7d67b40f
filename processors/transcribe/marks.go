package transcribe

import (
	"slices"

	"earshot/schemas"
)

// A party waits when the operator has asked it to and nobody speaks for
// holdMin. Music that comes within musicGap of music is the same music.
const (
	holdMin  = 8.0 // seconds
	musicGap = 3.0
)

// announce makes announcements of machines the system's and marks them, on
// whatever channel. An operator who says such a thing also says what a machine
// does not.
func announce(utterances []schemas.Utterance) (marks []schemas.Mark) {
	for i := range utterances {
		u := &utterances[i]
		said := words(u.Text)
		if u.Start == nil || u.End == nil || count(machineCues, said) == 0 || count(operatorCues, said) > 0 {
			continue
		}
		u.Speaker, u.RoleConfidence = schemas.RoleSystem, nil
		marks = append(marks, schemas.Mark{Kind: schemas.MarkIVR, Channel: u.Channel, Start: *u.Start, End: *u.End})
	}
	return marks
}

// holds finds where a party waits: after the operator asked it to, until
// anybody speaks again, music or not.
func holds(utterances []schemas.Utterance, seconds float64) (marks []schemas.Mark) {
	silentSince := 0.0
	asked := false
	for i := range len(utterances) + 1 {
		begin := seconds
		if i < len(utterances) {
			begin = *utterances[i].Start
		}
		if asked && begin-silentSince >= holdMin {
			marks = append(marks, schemas.Mark{Kind: schemas.MarkHold, Channel: -1, Start: silentSince, End: begin})
		}
		if i == len(utterances) {
			break
		}
		u := utterances[i]
		if *u.End >= silentSince {
			silentSince = *u.End
		}
		switch {
		case count(holdCues, words(u.Text)) > 0 && u.Speaker != schemas.RoleCustomer:
			asked = true
		case u.Speaker != schemas.RoleCustomer:
			asked = false // who asked is back; the other's "all right" is no answer
		}
	}
	return marks
}

// inOrder sorts marks and joins what belongs together.
func inOrder(marks []schemas.Mark) (joined []schemas.Mark) {
	slices.SortStableFunc(marks, func(a, b schemas.Mark) int {
		if a.Start != b.Start {
			return compare(a.Start, b.Start)
		}
		return int(a.Channel - b.Channel)
	})
	for _, m := range marks {
		i := slices.IndexFunc(joined, func(j schemas.Mark) bool {
			return j.Kind == m.Kind && j.Channel == m.Channel && m.Start-j.End <= musicGap && m.Kind != schemas.MarkIVR
		})
		if i < 0 {
			joined = append(joined, m)
			continue
		}
		joined[i].End = max(joined[i].End, m.End)
	}
	return joined
}
