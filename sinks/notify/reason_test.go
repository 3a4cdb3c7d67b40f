package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"earshot/schemas"
)

func TestReasons(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for want, errs := range map[string][]error{
		"no answer in time":            {context.DeadlineExceeded, os.ErrDeadlineExceeded, dial(&net.DNSError{Err: "timeout", Name: "mail.internal", IsTimeout: true})},
		"the name is not known":        {dial(&net.DNSError{Err: "no such host", Name: "mail.internal", IsNotFound: true})},
		"the connection fails":         {dial(syscall.ECONNREFUSED), fmt.Errorf("read: %w", io.EOF), net.ErrClosed},
		"the certificate is not valid": {&tls.CertificateVerificationError{Err: errors.New("mail.internal")}},
		"it does not speak TLS":        {tls.RecordHeaderError{Msg: "first record"}, http.ErrSchemeMismatch},
		"something else":               {errors.New("mail.internal")},
	} {
		for _, err := range errs {
			if got := reason(err, schemas.T("something else")).String(); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}

// What a tenant reads has neither addresses of the network around Earshot nor the
// words of its servers.
func TestATenantReadsNoInternals(t *testing.T) {
	w, o := newWorld(t), newOffice(t, false, true)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	nowhere := closed.Addr().String()
	w.must(closed.Close())
	raw := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "HTTP/1.1 500 \x1b[2J10.0.3.7\r\nContent-Length: 0\r\n\r\n"); err != nil {
			t.Error(err)
		}
	}))
	defer raw.Close()
	for _, c := range []struct {
		smtp, hook string
		want       string
	}{
		{"smtp://" + nowhere + "?from=earshot@example.com", "", "the mail server: the connection fails"},
		{o.url("smtp://%s?from=earshot@example.com"), "", "the mail server: the certificate is not valid"},
		{"", "http://" + nowhere + "/token", "the receiver cannot be reached: the connection fails"},
		{"", strings.Replace(raw.URL, "http:", "https:", 1), "the receiver cannot be reached: it does not speak TLS"},
		{"", raw.URL, "the receiver answers 500 Internal Server Error"},
	} {
		s := schemas.ReportSchedule{ID: 1, Language: "en", Emails: []string{"anna@example.com"}}
		if c.hook != "" {
			s.Emails, s.Webhooks = nil, []schemas.Webhook{{URL: c.hook, Salt: salt}}
		}
		if got := w.notifier(c.smtp, "127.0.0.0/8").Test(t.Context(), org, s, "en"); got[0].Error != c.want {
			t.Errorf("%s%s: %q, want %q", c.smtp, c.hook, got[0].Error, c.want)
		}
	}
}
