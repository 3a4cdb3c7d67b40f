package accounts

import (
	"context"
	"math"
	"strconv"
	"time"

	"earshot/schemas"
	"earshot/sinks/state"
)

// RefreshToken is what tells a refresh token from others.
type RefreshToken struct {
	Org             string
	User            int64
	ID, Session     string
	Issued, Expires time.Time // Expires is the end of the session
}

// Bounds of what is remembered of a user's refresh tokens: sessions, those
// renewed last, and used tokens of each, the last ones.
const (
	maxRenewed = 100
	maxUsed    = 8
)

// longAgo is the age of a use that nobody remembers exactly.
const longAgo = time.Duration(math.MaxInt64)

// Use says how long before now a refresh token was used first: 0 when it is used
// now. It is remembered on the log until the session ends. A token older than
// all that are remembered of its session was used longAgo: else whoever stole
// one would only have to use its successors fast enough. Errors: 5030, the
// state's.
func (a *Accounts) Use(ctx context.Context, t RefreshToken, now time.Time) (age time.Duration, err error) {
	err = a.store.InTurn(ctx, t.Org, "renewals/"+strconv.FormatInt(t.User, 10), func(ctx context.Context) error {
		known, err := state.Get[schemas.Renewals](ctx, a.store, t.Org, schemas.KindRenewals, t.User)
		if err != nil {
			return err
		}
		if known == nil {
			known = &schemas.Renewals{}
		}
		session := known.Sessions[t.Session]
		if at, used := firstUse(session.Used, t); used {
			age = longAgo
			if !at.IsZero() {
				age = max(now.Sub(at), 0) // clocks differ
			}
			return nil
		}
		session.End = t.Expires.Unix()
		session.Used = append(session.Used, schemas.UsedToken{ID: t.ID, At: now.UnixMilli()})
		session.Used = session.Used[max(len(session.Used)-maxUsed, 0):]
		return a.put(ctx, t.Org, schemas.KindRenewals, strconv.FormatInt(t.User, 10), withSession(known, t.Session, session, now))
	})
	return age, err
}

// firstUse is when a token was used, the zero time for long ago.
func firstUse(all []schemas.UsedToken, t RefreshToken) (at time.Time, used bool) {
	for _, u := range all {
		if u.ID == t.ID {
			return time.UnixMilli(u.At), true
		}
	}
	// Tokens hold whole seconds.
	return at, len(all) == maxUsed && t.Issued.Unix() < all[0].At/1000
}

// withSession are the known sessions that are not over, with a changed one.
func withSession(known *schemas.Renewals, id string, changed schemas.Renewal, now time.Time) schemas.Renewals {
	all := map[string]schemas.Renewal{}
	for name, r := range known.Sessions {
		if now.Before(time.Unix(r.End, 0).Add(time.Minute)) { // clocks differ
			all[name] = r
		}
	}
	all[id] = changed
	for len(all) > maxRenewed {
		var oldest string
		for name, r := range all {
			if oldest == "" || last(r) < last(all[oldest]) {
				oldest = name
			}
		}
		delete(all, oldest)
	}
	return schemas.Renewals{Sessions: all}
}

func last(r schemas.Renewal) int64 { return r.Used[len(r.Used)-1].At }
