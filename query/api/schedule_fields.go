package api

import (
	"cmp"
	"crypto/rand"
	"net/mail"
	"slices"
	"strings"
	"time"

	"earshot/ingest"
	"earshot/ingest/schedule"
	"earshot/schemas"
	"earshot/schemas/fetch"
)

// scheduleRequest is the body of POST and PUT. What a PUT does not name stays.
type scheduleRequest struct {
	Name       *string   `json:"name"`
	Every      scalar    `json:"frequency"`
	At         scalar    `json:"time"`
	Zone       scalar    `json:"time_zone"`
	ReportType scalar    `json:"report_type"`
	Language   scalar    `json:"language"`
	Emails     *[]string `json:"emails"`
	Webhooks   *[]string `json:"webhooks"`    // URLs; the secrets of those that are known stay
	Renew      []string  `json:"new_secrets"` // those of the webhooks that get another secret
	Active     *bool     `json:"is_active"`
}

type scheduleItem struct {
	ID         int64           `json:"id"`
	Name       string          `json:"name"`
	Every      string          `json:"frequency"`
	At         string          `json:"time"`
	Zone       string          `json:"time_zone"`
	ReportType string          `json:"report_type"`
	Language   string          `json:"language"`
	Emails     []string        `json:"emails"`
	Webhooks   []string        `json:"webhooks"`
	Active     bool            `json:"is_active"`
	Next       *time.Time      `json:"next_at"` // null for one that is switched off
	LastError  *string         `json:"last_error"`
	Reports    []scheduledItem `json:"last_reports"` // the newest first
	UserID     int64           `json:"user_id"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
}

type scheduledItem struct {
	From       string         `json:"start_date"`
	To         string         `json:"end_date"`
	TaskCode   *string        `json:"task_code"`
	Status     string         `json:"status"`
	Error      *string        `json:"error_message"`
	Files      []string       `json:"files"`
	Recipients []deliveryItem `json:"recipients"`
}

type deliveryItem struct {
	Way   string     `json:"type"`
	To    string     `json:"to"`
	State string     `json:"status"` // sent, waiting or failed
	Tries int64      `json:"tries"`
	Sent  *time.Time `json:"sent_at"`
	Next  *time.Time `json:"next_try_at"`
	Error *string    `json:"error_message"`
}

// into checks a request and takes it into a schedule; it gives the webhooks whose
// secrets are new.
func (in *scheduleRequest) into(s *schemas.ReportSchedule) (added []schemas.Webhook, err error) {
	if in.Name != nil {
		if s.Name, err = line("name", in.Name, schemas.MaxName); err != nil {
			return nil, err
		}
	}
	if s.ReportType, err = oneOf("report_type", cmp.Or(in.ReportType, scalar(s.ReportType)), ingest.ReportTypes...); err != nil {
		return nil, err
	}
	if s.Language, err = oneOf("language", cmp.Or(in.Language, scalar(s.Language)), schemas.Languages...); err != nil {
		return nil, err
	}
	s.Every, s.At, s.Zone = string(cmp.Or(in.Every, scalar(s.Every))), string(cmp.Or(in.At, scalar(s.At))), string(cmp.Or(in.Zone, scalar(s.Zone)))
	if _, err := schedule.Next(*s, time.Now()); err != nil {
		return nil, err
	}
	if s.ReportType == schemas.ReportDaily && s.Every != schemas.EveryDay {
		return nil, schemas.Fail(schemas.CodeInvalid, "a report of report_type daily is about one day: its frequency must be daily")
	}
	if in.Active != nil {
		s.Active = *in.Active
	}
	if in.Emails != nil {
		if s.Emails, err = emails(*in.Emails); err != nil {
			return nil, err
		}
	}
	if in.Webhooks != nil {
		if s.Webhooks, added, err = webhooks(*in.Webhooks, s.Webhooks); err != nil {
			return nil, err
		}
	}
	if added, err = newSecrets(in.Renew, s.Webhooks, added); err != nil {
		return nil, err
	}
	switch n := len(s.Emails) + len(s.Webhooks); {
	case n == 0:
		return nil, schemas.Fail(schemas.CodeFieldsMissing, "emails or webhooks: nobody would get the report")
	case n > schemas.MaxRecipients:
		return nil, tooManyRecipients()
	}
	return added, nil
}

func tooManyRecipients() error {
	return overLimit(schemas.T("recipients of a scheduled report"), schemas.MaxRecipients)
}

// emails checks bare addresses, each once.
func emails(given []string) ([]string, error) {
	all := []string{}
	if len(given) > schemas.MaxRecipients {
		return nil, tooManyRecipients()
	}
	for _, text := range given {
		text = strings.TrimSpace(text)
		address, err := mail.ParseAddress(text)
		if err != nil || address.Address != text || len(text) > schemas.MaxEmail {
			return nil, schemas.Fail(schemas.CodeInvalid, "emails: %q is no e-mail address", ingest.CleanLine(text, schemas.MaxEmail))
		}
		if !slices.ContainsFunc(all, func(other string) bool { return strings.EqualFold(other, text) }) {
			all = append(all, text)
		}
	}
	return all, nil
}

// webhooks checks URLs, each once; one that is known keeps its salt.
func webhooks(given []string, known []schemas.Webhook) (all, added []schemas.Webhook, err error) {
	all = []schemas.Webhook{}
	if len(given) > schemas.MaxRecipients {
		return nil, nil, tooManyRecipients()
	}
	for _, url := range given {
		url = strings.TrimSpace(url)
		if !fetch.CheckURL(url) || len(url) > schemas.MaxWebhookURL {
			return nil, nil, schemas.Fail(schemas.CodeInvalid, "webhooks: %q is no address such as https://example.com/hook, without a password in it", ingest.CleanLine(url, schemas.MaxName))
		}
		if hookAt(all, url) >= 0 {
			continue
		}
		if i := hookAt(known, url); i >= 0 {
			all = append(all, known[i])
			continue
		}
		hook := schemas.Webhook{URL: url, Salt: rand.Text()}
		all, added = append(all, hook), append(added, hook)
	}
	return all, added, nil
}

func hookAt(list []schemas.Webhook, url string) int {
	return slices.IndexFunc(list, func(h schemas.Webhook) bool { return h.URL == url })
}

// newSecrets gives webhooks of a schedule another salt, for a secret that became known
// or that nobody has read, and adds them to those whose secrets are new.
func newSecrets(given []string, all, added []schemas.Webhook) ([]schemas.Webhook, error) {
	for _, url := range given {
		url = strings.TrimSpace(url)
		i := hookAt(all, url)
		if i < 0 {
			return nil, schemas.Fail(schemas.CodeInvalid, "new_secrets: %q is no webhook of this schedule", ingest.CleanLine(url, schemas.MaxName))
		}
		if hookAt(added, url) < 0 {
			all[i].Salt = rand.Text()
			added = append(added, all[i])
		}
	}
	return added, nil
}

func newScheduleItem(s schemas.ReportSchedule, run schemas.ScheduleRun) scheduleItem {
	item := scheduleItem{ID: s.ID, Name: s.Name, Every: s.Every, At: s.At, Zone: s.Zone, ReportType: s.ReportType, Language: s.Language, Emails: list(s.Emails),
		Webhooks: []string{}, Active: s.Active, LastError: orNull(run.LastError()), Reports: []scheduledItem{}, UserID: s.User, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
	for _, hook := range s.Webhooks {
		item.Webhooks = append(item.Webhooks, hook.URL)
	}
	if next, err := schedule.Next(s, time.Now()); err == nil && s.Active {
		item.Next = &next.Due
	}
	for _, r := range slices.Backward(run.Reports) {
		report := scheduledItem{From: r.From, To: r.To, TaskCode: orNull(r.TaskCode), Status: r.Status, Error: orNull(r.Error), Files: list(r.Files), Recipients: []deliveryItem{}}
		for _, send := range r.Sends {
			report.Recipients = append(report.Recipients, newDeliveryItem(send))
		}
		item.Reports = append(item.Reports, report)
	}
	return item
}

func newDeliveryItem(s schemas.Send) deliveryItem {
	item := deliveryItem{Way: s.Way, To: s.To, State: "waiting", Tries: s.Tries, Error: orNull(s.Error)}
	switch {
	case !s.Sent.IsZero():
		item.State, item.Sent = "sent", &s.Sent
	case s.Next.IsZero():
		item.State = "failed"
	default:
		item.Next = &s.Next
	}
	return item
}

// orNull is null for what is empty.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
