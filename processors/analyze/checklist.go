package analyze

import (
	"slices"
	"strconv"
	"strings"

	"earshot/schemas"
)

func number(i int) string { return strconv.Itoa(i) }

// question is one question of the checklist in force.
type question struct {
	id    int64
	text  string
	check int // index of the rule that answers it, -1 = none
	goal  int // of the overlap when there is no rule
}

// Bounds on what an organisation may have checked in every conversation.
const (
	questionsMax  = 200
	scriptsMax    = 20
	stepsMax      = 200
	scriptTextMax = 64 << 10
)

// Shares of a question's or a step's words that the operator must have said.
const (
	shareYes    = 0.6
	sharePartly = 0.34
	shareStep   = 0.5
)

// plan prepares the checklist and the scripts: their texts must be known
// before the scan that looks for them.
func (r *report) plan() {
	o := newOverlap(r.rs.stop)
	for _, q := range r.in.Questions {
		if !q.Active || len(r.questions) >= questionsMax {
			continue
		}
		text := clip(q.Question, scriptTextMax)
		n := question{q.ID, q.Question, r.checkFor(text), -1}
		if n.check < 0 {
			n.goal = o.add(&r.s.split, text)
		}
		r.questions = append(r.questions, n)
	}
	if len(r.questions) == 0 {
		for i, c := range r.rs.Checks {
			if !c.Extra {
				r.questions = append(r.questions, question{c.ID, c.Question, i, -1})
			}
		}
	}
	for _, sc := range r.in.Scripts {
		if sc.Active && len(r.scripts) < scriptsMax {
			r.scripts = append(r.scripts, r.readScript(o, sc))
		}
	}
	if len(o.goals) > 0 {
		r.s.overlap = o
	}
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// checkFor finds the rule for a question in an organisation's own words, by
// the most keywords; -1 when none has any.
func (r *report) checkFor(text string) int {
	counts := make([]int, len(r.rs.Checks))
	r.s.split.split(text, func(sn *sentence) {
		r.s.match.run(sn.tokens)
		for _, f := range r.s.match.founds {
			if f.cue&endFlags == 0 && r.rs.cues[f.cue].kind == kKeyword {
				counts[r.rs.cues[f.cue].index] += int(f.to - f.from)
			}
		}
	})
	best := -1
	for i, n := range counts {
		if n > 0 && (best < 0 || n > counts[best]) {
			best = i
		}
	}
	return best
}

// answers answers every question, with the quote that proves a Yes or a
// Partially.
func (r *report) answers() []schemas.ChecklistAnswer {
	out := make([]schemas.ChecklistAnswer, 0, len(r.questions))
	for _, q := range r.questions {
		answer, at := schemas.AnswerNo, ref{}
		if q.check >= 0 {
			answer, at = r.answer(q.check)
		} else if g := r.goal(q.goal); g.best >= shareYes {
			answer, at = schemas.AnswerYes, g.at
		} else if g.best >= sharePartly {
			answer, at = schemas.AnswerPartially, g.at
		}
		r.cite(checklistJudgement(q.id), at)
		out = append(out, schemas.ChecklistAnswer{ID: q.id, Question: q.text, Answer: answer, Score: schemas.AnswerScore(answer)})
	}
	return out
}

// keepAnswers puts what a person answered in place of the analyser's answers,
// with the quotes that would prove those; also to questions that are asked no
// more.
func (r *report) keepAnswers() {
	for _, kept := range r.in.Answers {
		same := func(a schemas.ChecklistAnswer) bool { return a.ID == kept.ID }
		if i := slices.IndexFunc(r.a.Checklist, same); i >= 0 {
			r.a.Checklist[i] = kept
		} else {
			r.a.Checklist = append(r.a.Checklist, kept)
		}
		judgement := checklistJudgement(kept.ID)
		r.a.Evidence = slices.DeleteFunc(r.a.Evidence, func(e schemas.Evidence) bool { return e.Judgement == judgement })
	}
}

func checklistJudgement(id int64) string { return "checklist." + strconv.FormatInt(id, 10) }

// Checklist gives the built-in questions by language: what is answered for an
// organisation without active questions of its own. The rules of cfg count as
// they do for New; so do its errors.
func Checklist(cfg Config) (map[string][]schemas.ChecklistQuestion, error) {
	src := source{folder: cfg.Rules}
	if err := src.check(); err != nil {
		return nil, err
	}
	out := map[string][]schemas.ChecklistQuestion{}
	for _, lang := range languages {
		file, _, err := src.load(lang)
		if err != nil {
			return nil, err
		}
		for _, c := range file.Checks {
			if !c.Extra {
				out[lang] = append(out[lang], schemas.ChecklistQuestion{ID: c.ID, Question: c.Question, Active: true})
			}
		}
	}
	return out, nil
}

func (r *report) goal(i int) goal {
	if r.s.overlap == nil {
		return goal{}
	}
	return r.s.overlap.goals[i]
}

// answer answers by a rule.
func (r *report) answer(i int) (string, ref) {
	c := &r.rs.Checks[i]
	if r.s.opTurns == 0 {
		return schemas.AnswerNo, ref{}
	}
	yes, partly := r.placed(kYes, i), r.placed(kPartly, i)
	if c.Invert {
		switch {
		case yes.sentence > 0:
			return schemas.AnswerNo, yes
		case partly.sentence > 0:
			return schemas.AnswerPartially, partly
		}
		return schemas.AnswerYes, ref{}
	}
	if yes.sentence == 0 {
		yes = r.from(c.YesFrom)
	}
	if yes.sentence > 0 {
		return schemas.AnswerYes, yes
	}
	if partly.sentence == 0 {
		partly = r.from(c.PartlyFrom)
	}
	if partly.sentence > 0 {
		return schemas.AnswerPartially, partly
	}
	return schemas.AnswerNo, ref{}
}

// placed is where a cue of the checklist was found in the part of the
// conversation it belongs to.
func (r *report) placed(k kind, i int) ref {
	h := r.hit(k, i)
	if r.rs.Checks[i].Where == "end" {
		if h.last.operatorTurn < r.s.opTurns-endTurns {
			return ref{}
		}
		return h.last
	}
	return h.first
}

// from takes the proof from another judgement.
func (r *report) from(sources []string) ref {
	for _, source := range sources {
		switch source {
		case "acts":
			for _, d := range r.s.acts {
				if act := r.act(d); !act.Minor && !act.Refusal {
					return d.at
				}
			}
		case "commitments":
			if len(r.s.promises) > 0 {
				return r.s.promises[len(r.s.promises)-1].at
			}
		case "empathy":
			for _, m := range r.hits(kManner) {
				if r.rs.Conduct.Manners[m].Empathy > 0 {
					return r.hit(kManner, m).first
				}
			}
		default:
			if at := r.last(source, operator); at.sentence > 0 {
				return at
			}
		}
	}
	return ref{}
}

// script is an organisation's script with its steps.
type script struct {
	schemas.Script
	steps []step
}

type step struct {
	goal  int
	check int
}

// A step of few words may be an instruction ("greet the customer") and not
// something to be said; then the rule of the checklist tells.
const instructionWords = 8

// readScript splits a script into steps: its lines, or its sentences when it
// is one line.
func (r *report) readScript(o *overlap, sc schemas.Script) script {
	out := script{Script: sc}
	text := clip(sc.Body, scriptTextMax)
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	if len(lines) < 2 {
		lines = nil
		r.s.split.split(text, func(sn *sentence) { lines = append(lines, text[sn.start:sn.end]) })
	}
	for _, line := range lines {
		if len(out.steps) >= stepsMax {
			break
		}
		goal := o.add(&r.s.split, line)
		if o.goals[goal].words == 0 {
			continue
		}
		check := -1
		if o.goals[goal].words <= instructionWords {
			check = r.checkFor(line)
		}
		out.steps = append(out.steps, step{goal, check})
	}
	return out
}

// align measures how far the operator kept to the script.
func (r *report) align() {
	if r.s.opTurns == 0 {
		return
	}
	best, proof := -1.0, []ref(nil)
	for _, sc := range r.scripts {
		found := make([]ref, len(sc.steps))
		for i, st := range sc.steps {
			if g := r.goal(st.goal); g.best >= shareStep {
				found[i] = g.at
			} else if st.check >= 0 {
				if answer, at := r.answer(st.check); answer == schemas.AnswerYes {
					found[i] = at
				}
			}
		}
		if score := alignment(found); score > best {
			best, proof = score, found
			r.a.ScriptID, r.a.ScriptVer = sc.ID, sc.Version
		}
	}
	if len(r.scripts) == 0 {
		proof = r.defaultSteps()
		best = alignment(proof)
	}
	best = round(best, 1)
	r.a.Script = &best
	for i, at := range proof {
		r.cite("script."+number(i), at)
	}
}

func (r *report) defaultSteps() []ref {
	found := make([]ref, len(r.rs.Playbook.Steps))
	for i, st := range r.rs.Playbook.Steps {
		found[i] = r.hit(kStep, i).first
		if found[i].sentence > 0 || st.Check == 0 {
			continue
		}
		at := slices.IndexFunc(r.rs.Checks, func(c checkRule) bool { return c.ID == st.Check })
		if answer, ref := r.answer(at); answer == schemas.AnswerYes {
			found[i] = ref
		}
	}
	return found
}

// Steps in the script's order are worth the last orderShare of the score.
const orderShare = 0.15

// alignment is 0..100: the share of steps found, and the share found in order.
func alignment(found []ref) float64 {
	if len(found) == 0 {
		return 0
	}
	n, ordered, last := 0, 0, int32(0)
	for _, at := range found {
		if at.sentence == 0 {
			continue
		}
		n++
		if at.sentence >= last {
			ordered++
			last = at.sentence
		}
	}
	total := float64(len(found))
	return 100 * ((1-orderShare)*float64(n)/total + orderShare*float64(ordered)/total)
}
