package warehouse

import (
	"fmt"
	"math"

	"earshot/schemas"
)

// setMeasures takes what was measured and who is believed to speak. An error is
// a count that is none.
func (r *interaction) setMeasures(m schemas.Metrics, s schemas.Sound) error {
	r.RoleConfidence = s.RoleConfidence
	r.OperatorTalk, r.CustomerTalk, r.Silence, r.Overlap, r.Hold = m.OperatorTalk, m.CustomerTalk, m.Silence, m.Overlap, m.Hold
	r.FirstResponse, r.AverageResponse, r.LongestMonologue = m.FirstResponse, m.AverageResponse, m.LongestMonologue
	c := counter{}
	r.OperatorTurns, r.CustomerTurns, r.WordCount = c.of(m.OperatorTurns), c.of(m.CustomerTurns), c.of(m.Words)
	r.Interruptions = c.orUnknown(m.Interruptions)
	for _, v := range m.Speakers {
		switch v.Role {
		case schemas.RoleOperator:
			r.OperatorMonologue, r.OperatorWordsPerMinute = v.LongestMonologue, v.WordsPerMinute
			r.OperatorShareOfTalk, r.OperatorShareOfDuration = v.ShareOfTalk, v.ShareOfDuration
			r.OperatorInterruptions = c.orUnknown(v.Interruptions)
		case schemas.RoleCustomer:
			r.CustomerMonologue, r.CustomerWordsPerMinute = v.LongestMonologue, v.WordsPerMinute
			r.CustomerShareOfTalk, r.CustomerShareOfDuration = v.ShareOfTalk, v.ShareOfDuration
			r.CustomerInterruptions = c.orUnknown(v.Interruptions)
		}
	}
	return c.err
}

// counter narrows counts to the bits that a column has.
type counter struct{ err error }

func (c *counter) of(n int64) uint32 {
	if n < 0 || n > math.MaxUint32 {
		c.err = fmt.Errorf("a count of %d among the metrics", n)
	}
	return uint32(n)
}

func (c *counter) orUnknown(n *int64) *uint32 {
	if n == nil {
		return nil
	}
	v := c.of(*n)
	return &v
}
