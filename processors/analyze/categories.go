package analyze

import (
	"slices"
	"strconv"
	"strings"

	"earshot/schemas"
)

// subject is a category and what tells it: its name, and each phrase of its
// description, as goals of scanner.subjects.
type subject struct {
	id    int64
	goals []int
}

// A conversation is filed under a category when one turn has all words of one
// of its phrases, in any order and any form; of a long phrase, most of them.
// What the analyser calls the topics and the case counts as a turn.
const (
	shortPhrase   = 2 // content words
	phrasesMax    = 50
	categoriesMax = 20 // of one conversation
)

// planCategories prepares what the scan looks for.
func (r *report) planCategories() {
	if len(r.in.Categories) == 0 {
		return
	}
	o := newOverlap(r.rs.stop)
	for _, c := range r.in.Categories[:min(len(r.in.Categories), schemas.MaxCategories)] {
		s := subject{id: c.ID}
		for _, phrase := range append([]string{c.Name}, strings.FieldsFunc(clip(c.Description, schemas.MaxDescription), separates)...) {
			if len(s.goals) < phrasesMax {
				s.goals = append(s.goals, o.add(&r.s.split, clip(phrase, schemas.MaxDescription)))
			}
		}
		r.subjects = append(r.subjects, s)
	}
	r.s.subjects = o
}

func separates(c rune) bool { return c == ',' || c == ';' || c == '\n' || c == '.' }

// categorise files the conversation, with the sentence that tells each category
// as its proof. It comes after topics and case, which have names of their own.
func (r *report) categorise() {
	if r.s.subjects == nil {
		return
	}
	for i := range r.rs.Topics {
		if t := &r.rs.Topics[i]; slices.Contains(r.a.Topics, t.Key.Text) {
			r.readLabel(t.Name, r.hit(kTopic, i).first)
		}
	}
	if len(r.reasons) > 0 {
		r.readLabel(r.a.Reason, r.hit(kReason, r.reasons[0]).first)
	}
	for _, s := range r.subjects {
		if at := r.tells(s); at.sentence > 0 && len(r.a.Categories) < categoriesMax {
			r.a.Categories = append(r.a.Categories, s.id)
			r.cite("category."+strconv.FormatInt(s.id, 10), at)
		}
	}
}

// readLabel reads a name that the analyser gave to what was said at a place.
func (r *report) readLabel(name string, at ref) {
	if at.sentence == 0 {
		return
	}
	r.s.split.split(name, func(sn *sentence) { r.s.subjects.sentence(sn, at) })
	r.s.subjects.endTurn()
}

// tells is where a category is told best; the zero ref when it is not.
func (r *report) tells(s subject) (at ref) {
	best := 0.0
	for _, id := range s.goals {
		g := &r.s.subjects.goals[id]
		enough := shareYes
		if g.words <= shortPhrase {
			enough = 1
		}
		if g.words > 0 && g.best >= enough && g.best > best {
			best, at = g.best, g.at
		}
	}
	return at
}
