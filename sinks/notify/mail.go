package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"earshot/schemas"
)

// mailTime is how long the mail server may take for one step of a conversation.
const mailTime = 20 * time.Second

// mail sends a message to one address. id is the same for every try, so that a
// mailbox can tell that it got a message twice.
func (n *Notifier) mail(ctx context.Context, to, id string, m *message) error {
	if n.smtp == nil {
		return &failure{say: schemas.T("no mail server is configured; an operator sets EARSHOT_SMTP_URL"), permanent: true}
	}
	msg, err := n.compose(to, id, m)
	if err != nil {
		return err
	}
	secure := &tls.Config{ServerName: n.smtp.host, MinVersion: tls.VersionTLS12, RootCAs: n.roots}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	policy := mail.TLSMandatory
	switch {
	case n.smtp.implicit:
		policy = mail.TLSOpportunistic // dial has begun TLS already
	case n.smtp.plain:
		policy = mail.NoTLS
	}
	options := []mail.Option{mail.WithPort(n.smtp.port), mail.WithTimeout(mailTime), mail.WithTLSPolicy(policy), mail.WithTLSConfig(secure),
		mail.WithDialContextFunc(n.dial(ctx, secure))}
	if n.smtp.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(n.smtp.user), mail.WithPassword(n.smtp.password))
	}
	client, err := mail.NewClient(n.smtp.host, options...)
	if err != nil {
		return err
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	var refused *textproto.Error
	switch {
	case errors.As(err, &refused):
		return &failure{say: refusal(refused.Code), err: err}
	case err != nil:
		otherwise := schemas.T("it has no TLS, or no way to log in, as EARSHOT_SMTP_URL demands")
		return &failure{say: schemas.T("the mail server: %s", reason(errors.Join(ctx.Err(), err), otherwise)), err: err}
	}
	err = client.SendWithSMTPClient(conn, msg)
	_ = client.CloseWithSMTPClient(conn)
	if err == nil || msg.IsDelivered() { // what the server took is sent, however the conversation ends
		return nil
	}
	var undelivered *mail.SendError
	if errors.As(err, &undelivered) && undelivered.ErrorCode() != 0 {
		return &failure{say: refusal(undelivered.ErrorCode()), err: err, permanent: undelivered.ErrorCode() >= 500}
	}
	return &failure{say: schemas.T("the mail server: %s", reason(ctx.Err(), schemas.T("the connection fails"))), err: err}
}

// refusal leaves out the words of a mail server, which tell of the network around
// Earshot.
func refusal(code int) schemas.Text {
	return schemas.T("the mail server refuses, with code %d", code)
}

// dial connects to the mail server, for as long as ctx lasts: the client heeds no
// context once it is connected, and leaves a connection open on which it could not
// log in.
func (n *Notifier) dial(ctx context.Context, secure *tls.Config) mail.DialContextFunc {
	return func(within context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: mailTime}).DialContext(within, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() }) // a second time mostly
		if !n.smtp.implicit {
			return conn, nil
		}
		begun := tls.Client(conn, secure)
		return begun, begun.HandshakeContext(within)
	}
}

func (n *Notifier) compose(to, id string, m *message) (*mail.Msg, error) {
	l := m.letter()
	page, err := l.html()
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg()
	msg.FromMailAddress(n.smtp.from)
	if err := msg.To(to); err != nil {
		return nil, &failure{say: schemas.T("%s is no e-mail address", to), err: err, permanent: true}
	}
	msg.Subject(l.Subject)
	msg.SetDateWithValue(m.report.Ended)
	_, domain, _ := strings.Cut(n.smtp.from.Address, "@")
	msg.SetMessageIDWithValue(id + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	msg.SetBodyString(mail.TypeTextPlain, l.text())
	msg.AddAlternativeString(mail.TypeTextHTML, page)
	if m.file != nil {
		msg.AttachReadSeeker(m.fileName, bytes.NewReader(m.file))
	}
	return msg, nil
}

// messageID names what one recipient is told of one report. A report that failed and
// was made after all is told of twice, so what it is named by has its status.
func messageID(org string, task, to string) string {
	sum := sha256.Sum256([]byte(org + "\x00" + task + "\x00" + to))
	return "msg_" + hex.EncodeToString(sum[:16])
}
