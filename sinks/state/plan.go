package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

// Amount is what a plan includes of one resource and what is gone of it, in
// units of the resource.
type Amount struct {
	Limit    int64 // -1 = unlimited
	Used     int64 // settled within the subscription's time
	Reserved int64 // held by tasks that are not finished
	// Transcribed is the part of Used that was transcribed and not analysed.
	Transcribed int64
}

// Left is what is left of what is included, never below 0; math.MaxInt64 when
// the resource is unlimited.
func (a Amount) Left() int64 {
	if a.Limit < 0 {
		return math.MaxInt64
	}
	return max(a.Limit-a.Used-a.Reserved, 0)
}

// Reservable is what may still be reserved of a resource: what is left, or
// math.MaxInt64 where the subscription goes on beyond its limit at a price.
func (q Quota) Reservable(resource string) int64 {
	if q.Ceiling(resource) < 0 {
		return math.MaxInt64
	}
	return q.Resources[resource].Left()
}

// Quota is the current subscription of an organisation and what is left of it.
// Resources holds every resource that is limited, used or reserved.
type Quota struct {
	schemas.Subscription
	Resources map[string]Amount
}

// Quota gives the subscription that is valid now. Errors: ErrNotReady,
// schemas.CodeNoPlan, Redis'.
func (s *Store) Quota(ctx context.Context, org string) (Quota, error) {
	p := orgPrefix(org)
	pipe := s.rdb.Pipeline()
	ready, plans, ledger := pipe.Exists(ctx, keyReady), pipe.HGetAll(ctx, p+subEntity+schemas.KindPlan), pipe.HGetAll(ctx, p+subLedger)
	if _, err := pipe.Exec(ctx); err != nil {
		return Quota{}, fmt.Errorf("redis: quota: %w", err)
	}
	if ready.Val() == 0 {
		return Quota{}, s.notReady()
	}
	all, err := windowsOf(plans.Val())
	if err != nil {
		return Quota{}, err
	}
	w := all.at(s.now())
	if w == nil {
		return Quota{}, schemas.Fail(schemas.CodeNoPlan, "")
	}
	q := Quota{Subscription: w.plan, Resources: map[string]Amount{}}
	for resource, limit := range w.plan.Limits {
		q.Resources[resource] = Amount{Limit: limit}
	}
	for field, value := range ledger.Val() {
		part := strings.SplitN(field, ":", 3)
		if len(part) != 3 || part[0] != w.period() {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return Quota{}, fmt.Errorf("quota of %s: %s is %q", org, field, value)
		}
		a := q.Resources[part[2]]
		switch part[1] {
		case "u":
			a.Used = n
		case "t":
			a.Transcribed = n
		case "h":
			a.Reserved = n
		}
		q.Resources[part[2]] = a
	}
	return q, nil
}

// A window is the time [from, to) in ms in which a subscription is valid. What
// is used in it counts against that subscription: a renewal, which has another
// start, begins at nothing.
type window struct {
	from, to int64
	id       string
	plan     schemas.Subscription
}

func (w *window) period() string { return strconv.FormatInt(w.from, 10) }

type windows []window

// noPeriod is where usage is counted that no subscription covers.
const noPeriod = "0"

const forever = int64(1) << 50 // ms; a subscription without an end

func newWindow(id string, plan schemas.Subscription) window {
	w := window{from: max(plan.Start.UnixMilli(), 0), to: forever, id: id, plan: plan}
	if !plan.End.IsZero() {
		w.to = max(plan.End.UnixMilli(), 0)
	}
	return w
}

// Subscriptions gives an organisation's subscriptions by the id of their entity,
// past ones and those to come too. Errors: ErrNotReady, Redis'.
func (s *Store) Subscriptions(ctx context.Context, org string) (map[string]schemas.Subscription, error) {
	pipe := s.rdb.Pipeline()
	ready, plans := pipe.Exists(ctx, keyReady), pipe.HGetAll(ctx, orgPrefix(org)+subEntity+schemas.KindPlan)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("redis: plans: %w", err)
	}
	if ready.Val() == 0 {
		return nil, s.notReady()
	}
	all, err := windowsOf(plans.Val())
	if err != nil {
		return nil, err
	}
	byID := map[string]schemas.Subscription{}
	for _, w := range all {
		byID[w.id] = w.plan
	}
	return byID, nil
}

// windowsOf reads the live plans of the entity hash, the latest first, as
// entity.lua sorts them.
func windowsOf(entities map[string]string) (windows, error) {
	var all windows
	for id, value := range entities {
		e, err := decodeEntity(value)
		if err != nil {
			return nil, err
		}
		var plan schemas.Subscription
		if e.deleted {
			continue
		}
		if err := json.Unmarshal(e.data, &plan); err != nil {
			return nil, fmt.Errorf("plan %s: %w", id, err)
		}
		all = append(all, newWindow(id, plan))
	}
	all.sort()
	return all, nil
}

func (all windows) sort() {
	slices.SortFunc(all, func(a, b window) int {
		if a.from != b.from {
			return int(max(min(b.from-a.from, 1), -1))
		}
		return strings.Compare(b.id, a.id)
	})
}

func (all windows) at(t time.Time) *window {
	ms := t.UnixMilli()
	for i := range all {
		if all[i].from <= ms && ms < all[i].to {
			return &all[i]
		}
	}
	return nil
}

func (all windows) period(t time.Time) string {
	if w := all.at(t); w != nil {
		return w.period()
	}
	return noPeriod
}

// windows reads the subscriptions of several organisations in one round trip.
func (s *Store) windows(ctx context.Context, orgs []string) (map[string]windows, error) {
	pipe := s.rdb.Pipeline()
	plans := make([]*redis.MapStringStringCmd, len(orgs))
	for i, org := range orgs {
		plans[i] = pipe.HGetAll(ctx, orgPrefix(org)+subEntity+schemas.KindPlan)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("redis: plans: %w", err)
	}
	of := make(map[string]windows, len(orgs))
	for i, org := range orgs {
		var err error
		if of[org], err = windowsOf(plans[i].Val()); err != nil {
			return nil, err
		}
	}
	return of, nil
}
