package analyze

import (
	"slices"

	"earshot/schemas"
)

// validate finds what the YAML decoder cannot: keys that no dictionary has,
// rules without phrases, prose that is missing.
func (c *compiler) validate() {
	rs := c.rs
	c.file = "signals.yaml"
	dictionary(c, schemas.DictRisk, rs.Signals.Risks, func(r *riskRule) phrase { return r.Key })
	dictionary(c, schemas.DictSales, rs.Signals.Sales, cueKey)
	dictionary(c, schemas.DictFunnelStage, rs.Signals.Funnel, cueKey)
	dictionary(c, schemas.DictPriority, rs.Signals.Urgency, cueKey)
	for _, r := range rs.Signals.Risks {
		c.priority(r.Priority, r.Key.Line)
	}
	c.file = "resolution.yaml"
	for _, r := range rs.Resolution {
		c.oneOf(r.Key, "solved", "unsolved", "pending", "accepted")
	}
	c.file = "operator.yaml"
	for _, r := range rs.Conduct.Roles {
		c.oneOf(r.Key, "operator", "customer")
	}
	for _, a := range slices.Concat(rs.Conduct.Acts, rs.Conduct.Commitments) {
		if a.Verb == "" {
			c.fail(a.Key.Line, "%q has no verb", a.Key.Text)
		}
	}
	c.reasons()
	c.checks()
	c.file = "prose.yaml"
	rs.Prose.validate(c)
}

func cueKey(q *Cue) phrase { return q.Key }

func (c *compiler) oneOf(p phrase, keys ...string) {
	if !slices.Contains(keys, p.Text) {
		c.fail(p.Line, "key %q; it can be %q", p.Text, keys)
	}
}

func (c *compiler) priority(p string, line int) {
	if p != "" && schemas.TermID(schemas.DictPriority, p) == 0 {
		c.fail(line, "%q is not in dictionary %s", p, schemas.DictPriority)
	}
}

func (c *compiler) reasons() {
	c.file = "reasons.yaml"
	topics := map[string]bool{}
	for _, t := range c.rs.Topics {
		topics[t.Key.Text] = true
	}
	for _, r := range c.rs.Reasons {
		c.priority(r.Priority, r.Key.Line)
		switch {
		case !topics[r.Topic]:
			c.fail(r.Key.Line, "topic %q is not in topics.yaml", r.Topic)
		case r.Story == "" || r.Reason == "" || r.Intent == "":
			c.fail(r.Key.Line, "%q needs story, reason and intent", r.Key.Text)
		case len(r.Any) == 0:
			c.fail(r.Key.Line, "%q has no phrases", r.Key.Text)
		}
	}
}

func (c *compiler) checks() {
	c.file = "checklist.yaml"
	ids := map[int64]bool{}
	for _, k := range c.rs.Checks {
		line := 1
		if len(k.Keywords) > 0 {
			line = k.Keywords[0].Line
		}
		if k.ID <= 0 || ids[k.ID] || k.Question == "" || len(k.Keywords) == 0 {
			c.fail(line, "question %d: ids must be unique and positive, question and keywords given", k.ID)
		}
		if k.Where != "" && k.Where != "start" && k.Where != "end" {
			c.fail(line, "where is %q; it can be start or end", k.Where)
		}
		for _, f := range slices.Concat(k.YesFrom, k.PartlyFrom) {
			c.oneOf(phrase{f, line}, "acts", "commitments", "empathy", "solved", "pending")
		}
		ids[k.ID] = true
	}
	c.file = "script.yaml"
	for _, s := range c.rs.Playbook.Steps {
		if len(s.Any) == 0 && !ids[s.Check] {
			c.fail(1, "step %q needs phrases or the id of a question in checklist.yaml", s.Text)
		}
	}
}
