// Package fetch makes HTTP clients for addresses that users name: they reach
// the Internet, and of the networks around this machine only those that an
// operator allows. Whatever goes out to such an address, a webhook or the
// download of a recording, goes through one of these.
package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Config says which networks may be reached besides the Internet.
type Config struct {
	Allow []string `env:"EARSHOT_FETCH_ALLOW" help:"private addresses or CIDR ranges, comma-separated, that webhooks may reach, on any port; otherwise only public ones are reached, on ports 80 and 443"`
}

// Validate refuses what is no range.
func (c *Config) Validate() error {
	_, err := c.prefixes()
	return err
}

func (c *Config) prefixes() (all []netip.Prefix, err error) {
	for _, text := range c.Allow {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var one netip.Addr
			if one, err = netip.ParseAddr(text); err == nil {
				prefix, err = one.Prefix(one.BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("EARSHOT_FETCH_ALLOW: %q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

// ErrRefused means that an address is in a network that must not be reached.
var ErrRefused = errors.New("a private or special address, or a port that is neither 80 nor 443")

// Client gives a client whose requests take at most patience each and follow so
// many redirects (0: none; the answer is the redirect itself). It looks at the
// address that is dialled, after the name was resolved, so a redirect or a name
// that changes its mind is looked at too; it knows no proxy, because a proxy would
// dial for it. The caller bounds what it reads of an answer. cfg must be valid.
func (c *Config) Client(patience time.Duration, redirects int) (*http.Client, error) {
	allowed, err := c.prefixes()
	if err != nil {
		return nil, err
	}
	public := ssrf.New()
	dialer := &net.Dialer{Timeout: patience, Control: func(network, address string, raw syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(to.Addr().Unmap().WithZone("")) }) {
			return nil
		}
		if err := public.Safe(network, address, raw); err != nil {
			return errors.Join(ErrRefused, err)
		}
		return nil
	}}
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConns: 16, MaxIdleConnsPerHost: 1,
			IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			switch {
			case redirects == 0:
				return http.ErrUseLastResponse
			case len(via) > redirects:
				return fmt.Errorf("more than %d redirects", redirects)
			}
			return nil
		},
	}, nil
}

// CheckURL says whether text can be the address of a request: absolute, http or
// https, with a host and without a password. Whether the host may be reached shows
// only when it is dialled.
func CheckURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Fragment == ""
}
