package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"earshot/schemas"
)

// office is a mail server: emersion's, on a port of this machine.
type office struct {
	port    int
	roots   *x509.CertPool
	mu      sync.Mutex
	refusal []error // of the next recipients, in turn
	rude    bool    // hangs up on who has sent a message
	letters []*posted
}

// posted is one message that the office took.
type posted struct {
	user, from, to    string
	raw, id           string
	subject           string
	texts             map[string]string // by content type
	attachment, named string
}

type visit struct {
	*office
	conn   *smtp.Conn
	served bool
	letter posted
}

var errNotYet = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "busy"}

func newOffice(t *testing.T, implicit, secure bool) *office {
	t.Helper()
	o := &office{roots: x509.NewCertPool()}
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	o.roots.AddCert(certified.Certificate())
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &visit{office: o, conn: c}, nil }))
	server.Domain, server.AllowInsecureAuth, server.MaxMessageBytes = "office", true, 30<<20
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.port = l.Addr().(*net.TCPAddr).Port
	certificate := &tls.Config{Certificates: certified.TLS.Certificates}
	if secure && !implicit {
		server.TLSConfig = certificate
	}
	if implicit {
		l = tls.NewListener(l, certificate)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, smtp.ErrServerClosed) && err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *office) url(form string) string {
	return fmt.Sprintf(form, "127.0.0.1:"+fmt.Sprint(o.port))
}

func (o *office) got() []*posted {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*posted{}, o.letters...)
}

func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "p@ss word" {
			return smtp.ErrAuthFailed
		}
		v.letter.user = user
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	v.letter.from = from
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.refusal) > 0 {
		err := v.refusal[0]
		v.refusal = v.refusal[1:]
		return err
	}
	v.letter.to = to
	return nil
}

func (v *visit) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	letter := v.letter
	if err := letter.read(raw); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.letters, v.served = append(v.letters, &letter), true
	return nil
}

// Reset comes after each message, too.
func (v *visit) Reset() {
	if v.rude && v.served {
		_ = v.conn.Conn().Close() // the server notices
	}
}

func (v *visit) Logout() error { return nil }

func (p *posted) read(raw []byte) error {
	p.raw, p.texts = string(raw), map[string]string{}
	m, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if p.subject, err = m.Header.Subject(); err != nil {
		return err
	}
	if p.id, err = m.Header.MessageID(); err != nil {
		return err
	}
	for {
		part, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			return err
		}
		switch h := part.Header.(type) {
		case *mail.InlineHeader:
			kind, _, err := h.ContentType()
			if err != nil {
				return err
			}
			p.texts[kind] = string(body)
		case *mail.AttachmentHeader:
			p.attachment = string(body)
			if p.named, err = h.Filename(); err != nil {
				return err
			}
		}
	}
}

func TestMailLeavesTheSafeWay(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name             string
		implicit, secure bool
		url              string
		user             string
		fails            string // part of the message; "": it arrives
	}{
		{"STARTTLS and a password", false, true, "smtp://earshot:p%%40ss%%20word@%s?from=earshot@example.com", "earshot", ""},
		{"TLS from the beginning", true, true, "smtps://earshot:p%%40ss%%20word@%s?from=earshot@example.com", "earshot", ""},
		{"no password", false, true, "smtp://%s?from=Earshot+<earshot@example.com>", "", ""},
		{"no TLS, as configured", false, false, "smtp://%s?from=earshot@example.com&starttls=off", "", ""},
		{"a server without TLS", false, false, "smtp://%s?from=earshot@example.com", "", "it has no TLS, or no way to log in, as EARSHOT_SMTP_URL demands"},
		{"another password", false, true, "smtp://earshot:secret@%s?from=earshot@example.com", "", "the mail server refuses, with code 535"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t, c.implicit, c.secure)
			n := w.notifier(o.url(c.url))
			n.roots = o.roots
			result := n.Test(t.Context(), org, schemas.ReportSchedule{ID: 1, Name: "Понедельник <b>", Language: "ru", Emails: []string{"anna@example.com"}}, "en")
			if c.fails != "" {
				if len(o.got()) != 0 || !strings.Contains(result[0].Error, c.fails) || strings.Contains(result[0].Error, "secret") || !result[0].Sent.IsZero() {
					t.Errorf("%+v", result)
				}
				return
			}
			if len(o.got()) != 1 || result[0].Error != "" || result[0].Sent.IsZero() {
				t.Fatalf("%+v", result)
			}
			l := o.got()[0]
			if l.user != c.user || l.from != "earshot@example.com" || l.to != "anna@example.com" || l.subject != `Проверка: "Понедельник <b>"` {
				t.Errorf("%+v", l)
			}
			if !strings.Contains(l.texts["text/plain"], "Это проверка") || !strings.Contains(l.texts["text/html"], "Понедельник &lt;b&gt;") {
				t.Errorf("%q", l.texts)
			}
		})
	}
	n := w.notifier("")
	if result := n.Test(t.Context(), org, schemas.ReportSchedule{Language: "en", Emails: []string{"anna@example.com"}}, "en"); !strings.Contains(result[0].Error, "EARSHOT_SMTP_URL") {
		t.Errorf("%+v", result)
	}
}

// What a server took is sent, although it hangs up before all is said.
func TestAMailServerThatHangsUp(t *testing.T) {
	w, o := newWorld(t), newOffice(t, false, true)
	o.rude = true
	n := w.notifier(o.url("smtp://%s?from=earshot@example.com"))
	n.roots = o.roots
	s, e := w.schedule(schemas.ReportSchedule{ID: 1, Language: "en", Emails: []string{"anna@example.com"}})
	w.must(n.note(t.Context(), e))
	w.must(n.round(t.Context()))
	if sends := w.sends(s.ID); len(o.got()) != 1 || sends[0].Sent.IsZero() || sends[0].Error != "" {
		t.Errorf("%d letters, %+v", len(o.got()), sends)
	}
}

// A server that takes the call and says nothing is waited for as long as the
// caller says, not as long as the mail client would.
func TestAMailServerThatHangs(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer l.Close()
	for _, form := range []string{"smtp://%s?from=earshot@example.com", "smtps://%s?from=earshot@example.com"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		begin := time.Now()
		result := w.notifier(fmt.Sprintf(form, l.Addr())).Test(ctx, org, schemas.ReportSchedule{ID: 1, Language: "en", Emails: []string{"anna@example.com"}}, "en")
		cancel()
		if result[0].Error != "the mail server: no answer in time" || time.Since(begin) > mailTime/2 {
			t.Errorf("after %s: %+v", time.Since(begin), result)
		}
	}
}

func TestMailOfAReport(t *testing.T) {
	w, o := newWorld(t), newOffice(t, false, true)
	n := w.notifier(o.url("smtp://%s?from=earshot@example.com"))
	n.roots = o.roots
	_, done := w.schedule(schemas.ReportSchedule{ID: 1, Language: "en", Emails: []string{"anna@example.com"}})
	_, failed := w.schedule(schemas.ReportSchedule{ID: 2, Language: "ru", Emails: []string{"anna@example.com"}})
	failed.Status, failed.Error, failed.Files = schemas.StatusError, "нет браузера", nil
	_, large := w.schedule(schemas.ReportSchedule{ID: 3, Language: "en", ReportType: schemas.ReportBusiness, Emails: []string{"anna@example.com"}})
	for _, name := range large.Files[:2] {
		w.must(w.deps.Blobs.WriteAll(t.Context(), schemas.ReportKey(large.Task, name), make([]byte, attachMost+1), nil))
	}
	for i, c := range []struct {
		e                         schemas.TaskStatus
		subject, text, attachment string
	}{
		{done, "Operator quality report, 5 October 2026 – 11 October 2026", "Conversations: 120, in the period before: 100\r\nQuality score: 78.2 of 100\r\nCustomer satisfaction: 8.1 of 10\r\nResolved: 83 %\r\nWith risk signals: 7\r\nThe report is attached: report_1.pdf.\r\nreport_1.pdf: https://earshot.example.com/user/callreport/file?filename=report_1.pdf&task_code=" + done.Task.Code, "%PDF-1.7 of schedule 1"},
		{failed, "Отчёта нет: Отчёт о качестве работы операторов, 05.10.2026 – 11.10.2026", "Отчёт не удалось составить: нет браузера", ""},
		{large, "Business report, 5 October 2026 – 11 October 2026", "report_1.pdf: https://earshot.example.com/user/callreport/file", ""},
	} {
		w.must(n.note(t.Context(), c.e))
		w.must(n.round(t.Context()))
		got := o.got()
		if len(got) != i+1 {
			t.Fatalf("%d letters; %+v", len(got), w.sends(c.e.Task.ID))
		}
		l := got[i]
		if l.subject != c.subject || !strings.Contains(l.texts["text/plain"], c.text) || l.attachment != c.attachment {
			t.Errorf("%s\n%s\n%s", l.subject, l.texts["text/plain"], l.attachment)
		}
		if strings.Contains(l.texts["text/plain"], ".csv") || !strings.HasSuffix(l.id, "@example.com") {
			t.Errorf("%+v", l)
		}
	}
}

func TestMailServerURL(t *testing.T) {
	for url, good := range map[string]bool{
		"": true, "smtp://h?from=a@b.c": true, "smtps://u:p@h:1?from=A+<a@b.c>": true, "smtp://h": false, "smtp://h?from=x": false, "http://h?from=a@b.c": false,
		"smtp://h?from=a@b.c&starttls=on": false, "smtps://h?from=a@b.c&starttls=off": false, "smtp://h?from=a@b.c&tls=1": false, "smtp://u:secret%zz@h?from=a@b.c": false, "smtp://?from=a@b.c": false,
	} {
		err := (&Config{SMTP: url}).Validate()
		if (err == nil) != good || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if (&Config{}).CheckKey(true) != nil || (&Config{}).CheckKey(false) == nil || (&Config{Key: testKey}).CheckKey(false) != nil {
		t.Error("a key that two processes must share")
	}
	for _, c := range []Config{{Key: "short"}, {PublicURL: "earshot"}, {PublicURL: "https://a?b"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
