package accounts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"earshot/schemas"
)

// CreateOrganisation creates an organisation without users. Errors: 4030 for a
// name or locale that cannot be.
func (a *Accounts) CreateOrganisation(ctx context.Context, name, locale string) (o schemas.Organisation, err error) {
	if o.Name, err = cleanName(name); err != nil {
		return o, err
	}
	if o.Locale = locale; !slices.Contains(Locales, locale) {
		return o, schemas.Fail(schemas.CodeUserInvalid, "locale must be one of %s", strings.Join(Locales, ", "))
	}
	random := make([]byte, 6)
	_, _ = rand.Read(random) // never fails: it ends the program instead
	o.ID = "org_" + hex.EncodeToString(random)
	return o, a.alone(ctx, func(ctx context.Context) error { return a.put(ctx, o.ID, schemas.KindOrganisation, o.ID, o) })
}

// Organisations gives all organisations, by id.
func (a *Accounts) Organisations(ctx context.Context) ([]schemas.Organisation, error) {
	ids, err := a.store.Organisations(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]schemas.Organisation, len(ids))
	for i, id := range ids {
		if all[i], err = a.store.Organisation(ctx, id); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Organisation gives an organisation that is there; 4030 when it is not.
func (a *Accounts) Organisation(ctx context.Context, id string) (schemas.Organisation, error) {
	version, err := a.store.Version(ctx, id, schemas.KindOrganisation, id)
	if err != nil {
		return schemas.Organisation{}, err
	}
	if version == 0 {
		return schemas.Organisation{}, schemas.Fail(schemas.CodeUserInvalid, "there is no such organisation")
	}
	return a.store.Organisation(ctx, id)
}

// ChangeOrganisation changes an organisation while nobody else does. Errors:
// 4030 when there is none, those of do.
func (a *Accounts) ChangeOrganisation(ctx context.Context, id string, do func(*schemas.Organisation) error) (o schemas.Organisation, err error) {
	err = a.alone(ctx, func(ctx context.Context) error {
		if o, err = a.Organisation(ctx, id); err != nil {
			return err
		}
		if err := do(&o); err != nil {
			return err
		}
		return a.put(ctx, id, schemas.KindOrganisation, id, o)
	})
	return o, err
}

// Admit lets the users of an organisation in, or keeps them out: then all their
// tokens end, for good. Errors: 4030 when there is no such organisation.
func (a *Accounts) Admit(ctx context.Context, id string, in bool) error {
	_, err := a.ChangeOrganisation(ctx, id, func(o *schemas.Organisation) error {
		if o.Disabled = !in; o.Disabled {
			o.Epoch++
		}
		return nil
	})
	return err
}

// Terms are those of a subscription. The zero value is one period from now, at
// the price of the list.
type Terms struct {
	Start   time.Time        // zero: the running period of the same plan, else now
	Periods int              // one after the other; 0: one
	Overage bool             // see schemas.Subscription
	Price   *decimal.Decimal // of a period, in the list's currency; nil: that of the list
}

// Subscribe puts an organisation on a plan and gives its subscriptions, one for
// each period. What was subscribed to from Start on is cancelled, and what runs
// then ends then, else it would come back after the last of the new periods;
// what is used in a period that goes on stays used. Errors: 4030 without the organisation or
// with periods below 1 or above 120, 4034 without the plan.
func (a *Accounts) Subscribe(ctx context.Context, org, identifier string, t Terms) (all []schemas.Subscription, err error) {
	plan, err := a.Plan(identifier)
	if err != nil {
		return nil, err
	}
	if t.Periods < 0 || t.Periods > 120 || t.Price != nil && t.Price.IsNegative() {
		return nil, schemas.Fail(schemas.CodeUserInvalid, "there may be 1 to 120 periods, at a price of 0 or more")
	}
	if _, err := a.Organisation(ctx, org); err != nil {
		return nil, err
	}
	err = a.alone(ctx, func(ctx context.Context) error {
		known, err := a.store.Subscriptions(ctx, org)
		if err != nil {
			return err
		}
		start := startOf(known, identifier, t.Start, time.Now())
		for id, s := range known {
			if !s.Start.Before(start) && !s.Start.Equal(start) {
				if err := a.put(ctx, org, schemas.KindPlan, id, nil); err != nil {
					return err
				}
			}
		}
		for range max(t.Periods, 1) {
			s := t.apply(plan, start)
			if err := a.put(ctx, org, schemas.KindPlan, idOf(known, start), s); err != nil {
				return err
			}
			all, start = append(all, s), s.End
		}
		// Not before the new ones are there: nobody may be without a plan meanwhile.
		return a.cut(ctx, org, known, all[0].Start)
	})
	return all, err
}

// cut ends at the given time what was known to run beyond it.
func (a *Accounts) cut(ctx context.Context, org string, known map[string]schemas.Subscription, at time.Time) error {
	for id, s := range known {
		if s.Start.Before(at) && (s.End.IsZero() || s.End.After(at)) {
			s.End = at
			if err := a.put(ctx, org, schemas.KindPlan, id, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// startOf is when new terms begin: as given, else with the running period of the
// same plan, else now.
func startOf(known map[string]schemas.Subscription, identifier string, given, now time.Time) time.Time {
	if !given.IsZero() {
		return given.UTC().Truncate(time.Millisecond)
	}
	var current *schemas.Subscription
	for _, s := range known {
		if !s.Start.After(now) && now.Before(s.End) && (current == nil || s.Start.After(current.Start)) {
			current = &s
		}
	}
	if current != nil && current.Identifier == identifier {
		return current.Start
	}
	return now.UTC().Truncate(time.Millisecond) // usage is counted by the millisecond in which a period begins
}

// idOf is the entity of the subscription that begins at start: the one there is,
// so that it is replaced, or a new one.
func idOf(known map[string]schemas.Subscription, start time.Time) string {
	for id, s := range known {
		if s.Start.Equal(start) {
			return id
		}
	}
	return "from-" + strconv.FormatInt(start.UnixMilli(), 10)
}

func (t Terms) apply(p schemas.Plan, start time.Time) schemas.Subscription {
	s := p.Subscribe(start)
	s.Overage = t.Overage
	if t.Price != nil { // agreed in one currency: the list's prices in others do not hold
		prices := p.Prices[p.Currency]
		prices.Package = t.Price
		s.Currency, s.Price, s.Prices = p.Currency, t.Price.InexactFloat64(), map[string]schemas.Prices{p.Currency: prices}
	}
	return s
}

// Subscriptions gives an organisation's subscriptions in order of time.
func (a *Accounts) Subscriptions(ctx context.Context, org string) ([]schemas.Subscription, error) {
	known, err := a.store.Subscriptions(ctx, org)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(known), func(x, y schemas.Subscription) int { return x.Start.Compare(y.Start) }), nil
}
