package notify

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/url"
	"path"
	"strings"
	"time"

	"earshot/schemas"
)

// message is what recipients are told, whichever way.
type message struct {
	schedule schemas.ReportSchedule
	report   schemas.Scheduled
	test     bool   // nothing happened: somebody wants to see whether messages arrive
	base     string // Config.PublicURL
	file     []byte // to be attached; nil: none
	fileName string
	figures  []string // lines
}

// Events of a webhook.
const (
	eventCompleted = "report.completed"
	eventFailed    = "report.failed"
	eventTest      = "report.test"
)

func (m *message) event() string {
	switch {
	case m.test:
		return eventTest
	case m.report.Status == schemas.StatusError:
		return eventFailed
	}
	return eventCompleted
}

// link is where a file can be downloaded, "" when nobody knows where the API is.
func (m *message) link(file string) string {
	if m.base == "" {
		return ""
	}
	q := url.Values{"task_code": {m.report.TaskCode}, "filename": {file}}
	return strings.TrimSuffix(m.base, "/") + "/user/callreport/file?" + q.Encode()
}

// webhookFile is a file of the report.
type webhookFile struct {
	Name string `json:"filename"`
	URL  string `json:"url,omitempty"`
}

// payload is the body of a webhook.
func (m *message) payload() ([]byte, error) {
	files := []webhookFile{}
	for _, name := range m.report.Files {
		files = append(files, webhookFile{name, m.link(name)})
	}
	type period struct {
		From string `json:"from"`
		To   string `json:"to"`
		Zone string `json:"time_zone"`
	}
	return json.Marshal(struct {
		Event string    `json:"event"`
		At    time.Time `json:"timestamp"`
		Data  any       `json:"data"`
	}{m.event(), m.report.Ended, struct {
		Schedule   int64         `json:"schedule_id"`
		Name       string        `json:"schedule_name"`
		TaskCode   string        `json:"task_code"`
		ReportType string        `json:"report_type"`
		Language   string        `json:"language"`
		Period     period        `json:"period"`
		Status     string        `json:"status"`
		Error      string        `json:"error_message,omitempty"`
		Files      []webhookFile `json:"files"`
	}{m.report.Schedule, m.schedule.Name, m.report.TaskCode, m.schedule.ReportType, m.schedule.Language,
		period{m.report.From, m.report.To, m.schedule.Zone}, m.report.Status, m.report.Error, files}})
}

// title is what the report is called.
func (m *message) title() schemas.Text {
	switch m.schedule.ReportType {
	case schemas.ReportBusiness:
		return schemas.T("Business report")
	case schemas.ReportDaily:
		return schemas.T("Report of the day")
	}
	return schemas.T("Operator quality report")
}

// period is the days of the report, as its language writes them.
func (m *message) period() string {
	day := func(s string) string {
		t, err := time.Parse(time.DateOnly, s)
		switch {
		case err != nil:
			return s
		case m.schedule.Language == "ru":
			return t.Format("02.01.2006")
		}
		return t.Format("2 January 2006")
	}
	if m.report.From == m.report.To {
		return day(m.report.From)
	}
	return day(m.report.From) + " – " + day(m.report.To)
}

// letter is an e-mail's text.
type letter struct {
	Lang, Subject string
	Lines         []string
	Links         []webhookFile
	Foot          string
}

// letter writes the e-mail in the schedule's language.
func (m *message) letter() letter {
	say := func(t schemas.Text) string { return t.In(m.schedule.Language) }
	title := say(m.title()) + ", " + m.period()
	l := letter{Lang: m.schedule.Language, Subject: title}
	switch {
	case m.test:
		l.Subject = say(schemas.T("Test message of %q", m.schedule.Name))
		l.Lines = []string{say(schemas.T("This is a test: reports of the schedule %q arrive at this address.", m.schedule.Name))}
	case m.report.Status == schemas.StatusError:
		l.Subject = say(schemas.T("No report: %s", title))
		l.Lines = []string{title + ".", say(schemas.T("The report could not be made: %s", m.report.Error))}
	default:
		l.Lines = append([]string{title + "."}, m.figures...)
		for _, name := range m.report.Files {
			if to := m.link(name); to != "" && shown(name) {
				l.Links = append(l.Links, webhookFile{name, to})
			}
		}
		switch {
		case m.file != nil:
			l.Lines = append(l.Lines, say(schemas.T("The report is attached: %s.", m.fileName)))
		case len(l.Links) == 0:
			l.Lines = append(l.Lines, say(schemas.T("The report is too large for an e-mail; its task is %s.", m.report.TaskCode)))
		}
	}
	l.Foot = say(schemas.T("You get this because the schedule %q of Earshot names your address.", m.schedule.Name))
	return l
}

// shown says whether a file is for people; the others are for programs.
func shown(name string) bool {
	switch path.Ext(name) {
	case ".pdf", ".html", ".xlsx":
		return true
	}
	return false
}

func (l letter) text() string {
	lines := append([]string{}, l.Lines...)
	for _, link := range l.Links {
		lines = append(lines, link.Name+": "+link.URL)
	}
	return strings.Join(append(lines, "", "-- ", l.Foot, ""), "\r\n")
}

var letterPage = template.Must(template.New("letter").Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="font-family:sans-serif;color:#222;max-width:40em">
{{range .Lines}}<p>{{.}}</p>
{{end}}{{with .Links}}<ul>{{range .}}<li><a href="{{.URL}}">{{.Name}}</a></li>{{end}}</ul>
{{end}}<p style="color:#666;font-size:smaller">{{.Foot}}</p>
</body></html>
`))

func (l letter) html() (string, error) {
	var b bytes.Buffer
	err := letterPage.Execute(&b, l)
	return b.String(), err
}
