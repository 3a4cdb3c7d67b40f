package api

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"earshot/schemas"
)

// limiter is a token bucket for each name. It is bounded: the longest unused
// names are forgotten first, which fills their buckets. Each process counts for
// itself: a look into Redis would cost more than most requests. nil has no limit.
type limiter struct {
	every   rate.Limit
	burst   int
	buckets *lru.Cache[string, *rate.Limiter]
}

const maxBuckets = 20_000

func newLimiter(perMinute, burst int) *limiter {
	if perMinute == 0 {
		return nil
	}
	buckets, err := lru.New[string, *rate.Limiter](maxBuckets)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return &limiter{rate.Limit(float64(perMinute) / 60), burst, buckets}
}

// take takes one request from a bucket; 4290 with the time until there is one.
func (l *limiter) take(name string) error {
	if l == nil {
		return nil
	}
	bucket, ok := l.buckets.Get(name)
	if !ok {
		bucket = rate.NewLimiter(l.every, l.burst)
		if first, raced, _ := l.buckets.PeekOrAdd(name, bucket); raced {
			bucket = first
		}
	}
	now := time.Now()
	r := bucket.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	return tooMany(wait, schemas.Text{})
}

// tooMany is 4290 with Retry-After.
func tooMany(wait time.Duration, detail schemas.Text) error {
	return &statusError{retry: int(math.Ceil(wait.Seconds())), err: schemas.Fail(schemas.CodeTooMany, "%s", detail)}
}

// limitUser is for a request with a good token.
func (a *API) limitUser(u schemas.User) error {
	if a.requests == nil {
		return nil
	}
	return a.requests.take(fmt.Sprint(u.Org, "/", u.ID))
}

// limitStranger is for a request without one.
func (a *API) limitStranger(ctx *fasthttp.RequestCtx) error {
	return a.strangers.take(network(a.addressOf(ctx)))
}

// network is the address that a stranger's requests and failures count for: of
// IPv6 the /64, which is what one customer of a provider has.
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

// addressOf is the client's address: what a trusted proxy says in X-Real-Ip, for
// anybody else the peer's.
func (a *API) addressOf(ctx *fasthttp.RequestCtx) string {
	peer, _ := netip.AddrFromSlice(ctx.RemoteIP())
	peer = peer.Unmap()
	for _, p := range a.proxies {
		if p.Contains(peer) {
			if ip, err := netip.ParseAddr(string(ctx.Request.Header.Peek("X-Real-Ip"))); err == nil {
				return ip.Unmap().String()
			}
		}
	}
	return peer.String()
}

// parseProxies reads addresses and CIDR ranges.
func parseProxies(list []string) (all []netip.Prefix, err error) {
	for _, s := range list {
		s = strings.TrimSpace(s)
		prefix, err := netip.ParsePrefix(s)
		if ip, e := netip.ParseAddr(s); e == nil {
			prefix, err = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("EARSHOT_TRUSTED_PROXIES: %q is no address and no CIDR range", s)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}
