package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"

	"earshot/schemas"
)

// Bounds of an e-mail thread, beside schemas.MaxTextBytes for all that is
// received of it (attachments included) and for the text that is in it.
const (
	maxMails       = 10_000
	maxHeaderBytes = 256 << 10 // of a message
	maxMailParts   = 200       // of a message
	maxMailDepth   = 10        // of parts within parts
)

// Thread is an e-mail correspondence as a source hands it in.
type Thread struct {
	// Mails are the messages in any order. One that is there twice (the same
	// Message-ID) counts once.
	Mails []Mail
	// Operators are addresses and domains ("help@shop.com", "shop.com") of those
	// who answer; OperatorName is the name of one of them.
	Operators    []string
	OperatorName string
	Outbound     bool // the operators' side wrote first
}

// Mail is one RFC 5322 message, or an mbox file of several.
type Mail struct {
	Raw []byte
	// Unicode says that somebody has read Raw as text before (it comes out of a
	// JSON string): the charset of what is not encoded is no longer true.
	Unicode bool
}

// letter is one message, read.
type letter struct {
	id, subject string
	sender      sender
	sent        time.Time // zero = unknown
	text        string
}

// ParseMail turns a thread into utterances, one a message, oldest first: what
// its sender wrote, without what is quoted from earlier ones and without a
// signature (see Unquote); HTML becomes text. The subject goes before the first.
// Start is in seconds from the first message; began is when that was sent, in
// its zone; zero when no message tells.
//
// Speakers are told by Operators and OperatorName, else by words of role as in a
// chat ("support@", "bot"), else by who answers whom. The last is a guess and has
// its RoleConfidence.
//
// Errors: 4001 for what is no message, 4045 when nothing is written in any, 4130
// above schemas.MaxTextBytes.
func ParseMail(t Thread) (utterances []schemas.Utterance, text string, began time.Time, err error) {
	letters, err := t.letters()
	if err != nil {
		return nil, "", began, err
	}
	senders := map[string]sender{}
	var messages []message
	for _, l := range letters {
		m := message{name: l.sender.key(), text: l.text}
		if !l.sent.IsZero() {
			at := float64(l.sent.UnixMicro()) / 1e6
			m.at = &at
			if began.IsZero() || l.sent.Before(began) {
				began = l.sent
			}
		}
		senders[m.name] = l.sender
		messages = append(messages, m)
	}
	if messages, err = said(messages); err != nil {
		return nil, "", began, err
	}
	inOrder(messages)
	roles, guessed := t.roles(messages, senders)
	utterances = assemble(messages, roles)
	for i, m := range messages {
		if guessed[m.name] {
			sure := answersWhom
			utterances[i].RoleConfidence = &sure
		}
	}
	return utterances, schemas.DialogueText(utterances), began, nil
}

// letters reads all messages.
func (t Thread) letters() (letters []letter, err error) {
	size := 0
	seen := map[string]bool{}
	var first *letter
	for _, m := range t.Mails {
		if size += len(m.Raw); size > schemas.MaxTextBytes {
			return nil, tooLong(size)
		}
		for _, raw := range splitMbox(m.Raw) {
			l, err := readMail(raw, m.Unicode)
			if err != nil {
				return nil, err
			}
			if l.id != "" && seen[l.id] {
				continue
			}
			seen[l.id] = true
			if letters = append(letters, l); len(letters) > maxMails {
				return nil, schemas.Fail(schemas.CodeInvalid, "the thread has more than %d messages", maxMails)
			}
		}
	}
	for i := range letters {
		if l := &letters[i]; first == nil || l.sent.Before(first.sent) {
			first = l
		}
	}
	if first != nil && !strings.Contains(first.text, first.subject) {
		first.text = strings.TrimSpace(first.subject + "\n" + first.text)
	}
	return letters, nil
}

// mboxLine separates the messages of an mbox file (RFC 4155): a sender and a
// time of C's asctime.
var mboxLine = regexp.MustCompile(`(?m)^From \S+ .*\d\d:\d\d.*\d{4}.*\r?$`)

// splitMbox gives the messages of an mbox file, or the one message that it is
// not. "From " at the beginning of a line of text is written ">From " there.
func splitMbox(raw []byte) [][]byte {
	raw = bytes.TrimLeft(raw, "\uFEFF\r\n\t ")
	if !bytes.HasPrefix(raw, []byte("From ")) {
		return [][]byte{raw}
	}
	var all [][]byte
	places := mboxLine.FindAllIndex(raw, maxMails+1)
	for i, at := range places {
		end := len(raw)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		all = append(all, bytes.TrimLeft(raw[at[1]:end], "\r\n"))
	}
	return all
}

// readMail reads one message.
func readMail(raw []byte, unicode bool) (l letter, err error) {
	// The reader is bounded while the header is read, and then is not.
	head := &io.LimitedReader{R: bytes.NewReader(raw), N: maxHeaderBytes}
	r := bufio.NewReader(head)
	h, err := textproto.ReadHeader(r)
	if head.N > 0 && (err != nil && !errors.Is(err, io.EOF) || h.Len() == 0 || !h.Has("From") && !h.Has("Date") && !h.Has("Subject")) {
		return l, schemas.Because(schemas.CodeInvalid, err, "an e-mail must be an RFC 5322 message with From and Date, or an mbox file of such")
	}
	if head.N == 0 {
		return l, schemas.Fail(schemas.CodeInvalid, "an e-mail has a header of more than %d bytes", maxHeaderBytes)
	}
	head.N = int64(len(raw))
	header := mail.Header{Header: gomessage.Header{Header: h}}
	subject, _ := header.Subject() // undecoded when its charset is unknown
	l.subject = CleanLine(subject, maxName)
	l.id, _ = header.MessageID() // without one it cannot be told apart, and is kept
	l.sender = senderOf(header)
	if sent, err := header.Date(); err == nil && sent.Year() >= 1970 && sent.Year() < 2200 {
		l.sent = sent
	}
	p := &mailParts{unicode: unicode}
	text, err := p.text(h, r, 0)
	if err != nil {
		return l, err
	}
	l.text = Unquote(Clean(text))
	return l, nil
}
