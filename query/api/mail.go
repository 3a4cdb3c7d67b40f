package api

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"earshot/ingest"
	"earshot/schemas"
)

// mailFields are what POST /add_chat_analysis_task takes beyond the seed, which
// names e-mail threads and says nothing of their form. Each of Email, EML and
// Operators is a string or a list of strings.
type mailFields struct {
	Type      scalar          `json:"type"`      // chat (default) or email; text and chunks may be e-mails too
	Email     json.RawMessage `json:"email"`     // RFC 5322 messages, or mbox files of them, as text
	EML       json.RawMessage `json:"eml"`       // the same in base64, byte by byte as they were received
	Operators json.RawMessage `json:"operators"` // addresses or domains of those who answer
}

// maxOperators bounds the list of them.
const maxOperators = 100

func (m *mailFields) hasMail() bool { return given(m.Email) || given(m.EML) }

// conversation reads what was said into a submission, and its type. Errors: 4001,
// 4045, 4130.
func (in *chatRequest) conversation(s *ingest.Submission) error {
	kind, err := oneOf("type", in.Type, "", schemas.TypeChat, schemas.TypeEmail)
	if err != nil {
		return err
	}
	if in.hasMail() && (kind == schemas.TypeChat || in.Text != nil || given(in.Chunks)) {
		return schemas.Fail(schemas.CodeInvalid, "email and eml go with type email, and without text and chunks")
	}
	s.Task.Type, s.Task.Source = schemas.TypeChat, schemas.SourceChat
	if kind == schemas.TypeEmail || in.hasMail() {
		s.Task.Type, s.Task.Source = schemas.TypeEmail, schemas.SourceEmail
	}
	if in.hasMail() {
		return in.thread(s)
	}
	operators, err := in.operators()
	if err != nil {
		return err
	}
	chunks, err := ingest.ParseChunks(in.Chunks)
	if err != nil {
		return err
	}
	if s.Task.Type == schemas.TypeEmail {
		for i := range chunks {
			chunks[i].Text = ingest.Unquote(ingest.Clean(chunks[i].Text))
		}
	}
	text := ""
	if in.Text != nil {
		text = *in.Text
	}
	s.Utterances, s.Text, err = ingest.ParseChat(text, chunks, append(operators, s.Task.OperatorName)...)
	return err
}

// thread reads e-mails. When nothing else says when the conversation was, its
// first message does.
func (in *chatRequest) thread(s *ingest.Submission) (err error) {
	t := ingest.Thread{OperatorName: s.Task.OperatorName, Outbound: s.Task.CallType == "outbound"}
	if t.Operators, err = in.operators(); err != nil {
		return err
	}
	texts, err := stringsOf("email", in.Email)
	if err != nil {
		return err
	}
	for _, text := range texts {
		t.Mails = append(t.Mails, ingest.Mail{Raw: []byte(text), Unicode: true})
	}
	files, err := stringsOf("eml", in.EML)
	if err != nil {
		return err
	}
	for _, file := range files {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(file))
		if err != nil {
			return schemas.Fail(schemas.CodeInvalid, "eml must be base64")
		}
		t.Mails = append(t.Mails, ingest.Mail{Raw: raw})
	}
	var began time.Time
	if s.Utterances, s.Text, began, err = ingest.ParseMail(t); err != nil {
		return err
	}
	if s.Task.CallTime.IsZero() && s.Task.CallDate == "" && !began.IsZero() {
		s.Task.CallTime, s.Task.CallDate = began.UTC().Truncate(time.Microsecond), began.Format(time.DateOnly) // the day where it was sent
	}
	return nil
}

func (m *mailFields) operators() ([]string, error) {
	list, err := stringsOf("operators", m.Operators)
	if err == nil && len(list) > maxOperators {
		err = schemas.Fail(schemas.CodeInvalid, "operators has more than %d elements", maxOperators)
	}
	for i := range list {
		list[i] = ingest.CleanLine(list[i], maxLabel)
	}
	return list, err
}

// stringsOf reads a field that is a string, a list of strings or null.
func stringsOf(name string, raw json.RawMessage) (list []string, err error) {
	if !given(raw) {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil, schemas.Fail(schemas.CodeInvalid, "%s must be a string or a list of strings", name)
	}
	return list, nil
}
