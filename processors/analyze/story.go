package analyze

import (
	"cmp"
	"slices"
	"strings"
)

const (
	topicsMax   = 4
	tagsMax     = 12
	tagFacts    = 2
	topicScore  = 1.0  // one sentence of the customer, or two of the operator
	topicShare  = 0.35 // of the first topic's score; below it a topic was only touched upon
	storiesMax  = 2
	storyScore  = 1.0
	storyShare  = 0.4 // of the first case's score, for the second to be told
	actsTold    = 3
	promisesMax = 2
	productsMax = 3
	actionsMax  = 6
)

// rankReasons finds the case: the one the customer spoke of most, early
// sentences before late ones.
func (r *report) rankReasons() {
	r.reasons = r.byScore(kReason)
	if len(r.reasons) == 0 {
		r.a.Intent, r.a.Reason = r.p.None.Intent, r.p.None.Reason
		return
	}
	first := r.reasons[0]
	c := &r.rs.Reasons[first]
	r.a.Intent, r.a.Reason = r.s.fill(c.Intent), capital(r.s.fill(c.Reason))
	r.cite("intent", r.hit(kReason, first).first)
	r.cite("reason_for_contact", r.hit(kReason, first).first)
}

func (r *report) byScore(k kind) []int {
	found := r.hits(k)
	slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(r.hit(k, b).score, r.hit(k, a).score) })
	return found
}

func (r *report) topics() {
	top := float32(0)
	for _, i := range r.byScore(kTopic) {
		score := r.hit(kTopic, i).score
		top = max(top, score)
		if score < topicScore || score < topicShare*top || len(r.a.Topics) >= topicsMax {
			break
		}
		r.addTopic(r.rs.Topics[i].Key.Text, r.hit(kTopic, i).first)
	}
	if len(r.reasons) > 0 {
		r.addTopic(r.rs.Reasons[r.reasons[0]].Topic, r.hit(kReason, r.reasons[0]).first)
	}
}

func (r *report) addTopic(key string, at ref) {
	if !slices.Contains(r.a.Topics, key) {
		r.a.Topics = append(r.a.Topics, key)
		r.cite("topics."+key, at)
	}
}

func (r *report) topicNames(n int) (names []string) {
	for _, t := range r.rs.Topics {
		if at := slices.Index(r.a.Topics, t.Key.Text); at >= 0 && at < n {
			names = append(names, t.Name)
		}
	}
	return names
}

// tags are the words of the tag lexicon that were said, the order and ticket
// numbers, and the topic when nothing else is there.
func (r *report) tags() (tags []string) {
	add := func(tag string, at ref) {
		if tag != "" && !slices.Contains(tags, tag) && len(tags) < tagsMax {
			tags = append(tags, tag)
			r.cite("tags."+tag, at)
		}
	}
	for _, i := range r.hits(kTag) {
		add(r.rs.Tags[i].Name, r.hit(kTag, i).first)
	}
	n := 0
	for _, f := range r.s.facts {
		if f.kind != "amount" && f.kind != "date" && n < tagFacts {
			add(f.text, f.at)
			n++
		}
	}
	if len(tags) == 0 {
		return r.topicNames(2)
	}
	return tags
}

// notes are product, root cause, decision driver and obstacles.
func (r *report) notes() {
	p := r.p.None
	r.a.Product = cmp.Or(strings.Join(r.names(kProduct, "product_or_service", r.rs.Products, r.byScore(kProduct), productsMax), ", "), p.Product)
	driver := r.names(kDriver, "decision_driver", r.rs.Notes.Drivers, r.byScore(kDriver), 2)
	cause := r.names(kCause, "root_cause", r.rs.Notes.Causes, r.byScore(kCause), 1)
	obstacles := r.names(kObstacle, "key_obstacles", r.rs.Notes.Obstacles, r.hits(kObstacle), productsMax)
	if len(r.reasons) > 0 {
		c, at := &r.rs.Reasons[r.reasons[0]], r.hit(kReason, r.reasons[0]).first
		if c.Obstacle != "" && len(obstacles) == 0 {
			obstacles = append(obstacles, c.Obstacle)
			r.cite("key_obstacles", at)
		}
		if len(cause) == 0 && c.Cause != "" {
			cause = append(cause, c.Cause)
			r.cite("root_cause", at)
		}
		if len(driver) == 0 {
			driver = append(driver, r.a.Intent)
			r.cite("decision_driver", at)
		}
	}
	r.a.RootCause = cmp.Or(strings.Join(cause, ", "), p.Cause)
	r.a.Driver = cmp.Or(strings.Join(driver, ", "), p.Driver)
	r.a.Obstacles = cmp.Or(strings.Join(obstacles, "; "), p.Obstacles)
}

func (r *report) names(k kind, judgement string, rules []Named, found []int, n int) (out []string) {
	for _, i := range found {
		if len(out) < n && !slices.Contains(out, rules[i].Name) {
			out = append(out, rules[i].Name)
			r.cite(judgement, r.hit(k, i).first)
		}
	}
	return out
}

// plans are commitments, actions and the next action.
func (r *report) plans() {
	promises, at := r.s.tellAll(r.s.promises, r.rs.base[kCommitment], r.rs.Conduct.Commitments)
	r.a.Commitments = promises
	for i := range promises {
		r.cite("operator_commitments."+number(i), at[i])
	}
	for i, text := range promises {
		r.action(capital(text), at[i])
	}
	next, nextAt := "", ref{}
	if len(promises) > 0 {
		first := r.firstOpen()
		next, nextAt = put(r.p.Next.Operator, promises[first]), at[first]
	}
	onTrack := r.a.Resolution == "resolved" || len(promises) > 0 && r.a.Sentiment != "negative"
	if !onTrack && len(r.reasons) > 0 {
		c := &r.rs.Reasons[r.reasons[0]]
		for _, text := range c.Actions {
			r.action(capital(text), r.hit(kReason, r.reasons[0]).first)
		}
		if next == "" && len(c.Actions) > 0 {
			next, nextAt = put(r.p.Next.Operator, c.Actions[0]), r.hit(kReason, r.reasons[0]).first
		}
	}
	if r.a.Sentiment != "positive" && slices.Contains(r.a.RiskSignals, "churn") {
		churn := ref{}
		for _, i := range r.hits(kRisk) {
			if r.rs.Signals.Risks[i].Key.Text == "churn" {
				churn = r.hit(kRisk, i).first
			}
		}
		r.action(r.p.Next.Retain, churn)
	}
	if next == "" {
		next = r.p.Next.Nothing
		if r.a.Resolution == "unresolved" || r.a.Resolution == "partially_resolved" {
			next, nextAt = r.p.Next.FollowUp, r.lastMood()
			r.action(capital(next), nextAt)
		}
	}
	r.a.NextAction = capital(next)
	r.cite("next_action", nextAt)
}

func (r *report) action(text string, at ref) {
	if len(r.a.Actions) < actionsMax && !slices.Contains(r.a.Actions, text) {
		r.cite("actions."+number(len(r.a.Actions)), at)
		r.a.Actions = append(r.a.Actions, text)
	}
}

// firstOpen is the index, among the promises as told, of the first that keeps
// the case open.
func (r *report) firstOpen() int {
	var told []string
	for _, d := range r.s.promises {
		c := &r.rs.Conduct.Commitments[r.rs.cues[d.cue].index]
		text := tell(c.Verb, d.rest)
		if alike(told, text) {
			continue
		}
		if c.Open {
			return len(told)
		}
		told = append(told, text)
	}
	return 0
}

// summary is one to four sentences: why the customer came, what the operator
// did and promised, how it ended, and the numbers not told yet.
func (r *report) summary() string {
	sentences := []string{r.opening()}
	if conduct := r.conduct(); conduct != "" {
		sentences = append(sentences, conduct)
	}
	if len(r.s.moods) > 0 {
		sentences = append(sentences, r.p.Outcomes[r.a.Resolution][r.a.Sentiment])
	}
	return r.withFacts(strings.Join(sentences, " "))
}

// withFacts adds the numbers that a text does not tell yet.
func (r *report) withFacts(text string) string {
	var facts []string
	for _, f := range r.s.facts {
		if !strings.Contains(text, f.raw) && len(facts) < factsMax {
			facts = append(facts, f.text)
		}
	}
	if len(facts) > 0 {
		text += " " + put(r.p.Facts, strings.Join(facts, ", "))
	}
	return text
}

func (r *report) opening() string {
	if len(r.s.moods) == 0 {
		return r.p.NoCustomer
	}
	var stories, topics []string
	for _, i := range r.reasons {
		c := &r.rs.Reasons[i]
		least := max(storyScore, storyShare*r.hit(kReason, r.reasons[0]).score)
		if len(stories) > 0 && (c.General || r.hit(kReason, i).score < least || slices.Contains(topics, c.Topic)) || len(stories) == storiesMax {
			continue
		}
		stories, topics = append(stories, r.s.fill(c.Story)), append(topics, c.Topic)
	}
	if len(stories) > 0 {
		return put(r.p.Story, r.p.list(sameVerb(stories)))
	}
	if names := r.topicNames(1); len(names) > 0 {
		return put(r.p.Story, put(r.p.About, strings.ToLower(names[0])))
	}
	return r.p.NoRequest
}

// sameVerb says a verb once: "asked about the price and for a discount".
func sameVerb(stories []string) []string {
	if len(stories) == 2 {
		verb, _, _ := strings.Cut(stories[0], " ")
		stories[1] = strings.TrimPrefix(stories[1], verb+" ")
	}
	return stories
}

func (r *report) conduct() string {
	if r.s.opTurns == 0 {
		return r.p.NoOperator
	}
	parts := r.actsToTell()
	if promises := r.a.Commitments[:min(len(r.a.Commitments), promisesMax)]; len(promises) > 0 {
		parts = append(parts, put(r.p.Promise, r.p.list(promises)))
	}
	if len(parts) == 0 {
		return ""
	}
	return put(r.p.Conduct, r.p.list(parts))
}

func (r *report) act(d deed) *actRule { return &r.rs.Conduct.Acts[r.rs.cues[d.cue].index] }

// actsToTell are the first few acts of weight, in the order of the
// conversation; minor ones fill up.
func (r *report) actsToTell() []string {
	room := actsTold
	for _, d := range r.s.acts {
		if !r.act(d).Minor {
			room--
		}
	}
	var list []deed
	for _, d := range r.s.acts {
		if r.act(d).Minor {
			if room <= 0 {
				continue
			}
			room--
		}
		list = append(list, d)
	}
	told, _ := r.s.tellAll(list, r.rs.base[kAct], r.rs.Conduct.Acts)
	return told[:min(len(told), actsTold)]
}
