package api

import (
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// throttle counts failed logins by account and by address. It is bounded: the
// longest unused names are forgotten first. Each process counts for itself,
// which multiplies the tries by the number of processes and not more.
type throttle struct {
	limit  int // of an account; an address may be an office with many people
	window time.Duration
	now    func() time.Time

	mu     sync.Mutex
	failed *lru.Cache[string, failures]
}

type failures struct {
	count int
	until time.Time
}

const (
	maxThrottled  = 20_000
	perAddress    = 5 // times as many as an account
	accountPrefix = "account "
	addressPrefix = "address "
)

func newThrottle(limit int, window time.Duration) *throttle {
	failed, err := lru.New[string, failures](maxThrottled)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return &throttle{limit: limit, window: window, now: time.Now, failed: failed}
}

// network is the address that failures count for: of IPv6 the /64, which is
// what one customer of a provider has.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// attempt counts a try before it is checked, so that many at once do not get
// past the limit; it gives how long to wait, 0 to go on.
func (t *throttle) attempt(account, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	limits := map[string]int{accountPrefix + account: t.limit, addressPrefix + address: t.limit * perAddress}
	for name, limit := range limits {
		if f, ok := t.failed.Get(name); ok && f.count >= limit && now.Before(f.until) {
			return f.until.Sub(now)
		}
	}
	for name := range limits {
		f, ok := t.failed.Get(name)
		if !ok || !now.Before(f.until) {
			f = failures{until: now.Add(t.window)}
		}
		f.count++
		t.failed.Add(name, f)
	}
	return 0
}

// forget takes back a try that was no failure: a success clears the account,
// and one try of the address; a try that could not be checked counts for
// nothing.
func (t *throttle) forget(account, address string, success bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range []string{accountPrefix + account, addressPrefix + address} {
		f, ok := t.failed.Get(name)
		if !ok {
			continue
		}
		if f.count--; f.count <= 0 || success && name == accountPrefix+account {
			t.failed.Remove(name)
			continue
		}
		t.failed.Add(name, f)
	}
}
