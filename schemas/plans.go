package schemas

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed plans.yaml
var plansYAML []byte

// Plan is what an organisation can subscribe to (seed section 12).
type Plan struct {
	ID         int64            `yaml:"id"`
	Identifier string           `yaml:"identifier"`
	Name       string           `yaml:"name"`
	Months     int              `yaml:"months"`     // length of a period
	Price      float64          `yaml:"price"`      // euro a period
	PerMinute  float64          `yaml:"per_minute"` // euro, overage
	PerChat    float64          `yaml:"per_chat"`   // euro, overage
	Limits     map[string]int64 `yaml:"limits"`     // by resource; -1 = unlimited
}

// Plans are all plans, by identifier.
var Plans = func() map[string]Plan {
	var list []Plan
	if err := yaml.Unmarshal(plansYAML, &list); err != nil {
		panic(fmt.Sprintf("plans.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	m := map[string]Plan{}
	for _, p := range list {
		m[p.Identifier] = p
	}
	return m
}()

// Subscribe returns the subscription that begins at start.
func (p Plan) Subscribe(start time.Time) Subscription {
	return Subscription{
		PlanID: p.ID, Name: p.Name, Identifier: p.Identifier,
		Start: start.UTC(), End: start.UTC().AddDate(0, p.Months, 0),
		Limits: p.Limits, Currency: "EUR", Price: p.Price,
	}
}
