// Package notify tells people and programs of scheduled reports: by e-mail and
// by webhook, each recipient until it has taken the message or was tried for an
// hour. What is still to be told is part of the settings on the log, so neither a
// restart nor an empty Redis loses it.
package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	"earshot/schemas/fetch"
)

// Config says how messages leave.
type Config struct {
	SMTP      string `env:"EARSHOT_SMTP_URL" secret:"true" help:"mail server: smtp://user:password@host:587?from=earshot@example.com with STARTTLS, smtps://…:465 with TLS from the beginning; &starttls=off sends without TLS; empty: no e-mail is sent"`
	Key       string `env:"EARSHOT_WEBHOOK_KEY" secret:"true" help:"key that the secrets of webhooks are made of, 32 bytes or more, the same for all processes; another key makes all secrets others; empty: made once and kept in the data folder, which will not do where api and notify are different processes"`
	PublicURL string `env:"EARSHOT_PUBLIC_URL" help:"address at which recipients reach the API, for the links in messages: https://earshot.example.com; empty: messages have no links"`
	Fetch     fetch.Config
}

// minKey is that of the key of login tokens.
const minKey = 32

// Validate refuses what cannot work.
func (c *Config) Validate() error {
	var errs []error
	if _, err := c.server(); err != nil {
		errs = append(errs, err)
	}
	if c.Key != "" && len(c.Key) < minKey {
		errs = append(errs, errors.New("EARSHOT_WEBHOOK_KEY is shorter than 32 bytes, which can be guessed; `openssl rand -hex 32` makes one"))
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (!fetch.CheckURL(c.PublicURL) || err != nil || u.RawQuery != "") {
		errs = append(errs, errors.New("EARSHOT_PUBLIC_URL must be an address such as https://earshot.example.com"))
	}
	return errors.Join(errs...)
}

// CheckKey refuses a process that would make a key of its own and is not alone:
// the API shows the secrets of webhooks that another process signs with.
func (c *Config) CheckKey(alone bool) error {
	if c.Key == "" && !alone {
		return errors.New("EARSHOT_WEBHOOK_KEY must be set, to the same in all processes, where one of the roles api and notify runs in a process without the other; `openssl rand -hex 32` makes one")
	}
	return nil
}

// server is EARSHOT_SMTP_URL, read.
type server struct {
	host           string
	port           int
	user, password string
	implicit       bool // TLS from the beginning
	plain          bool // no TLS
	from           *mail.Address
}

// server gives the mail server, nil when there is none. Its errors do not repeat
// the password.
func (c *Config) server() (*server, error) {
	if c.SMTP == "" {
		return nil, nil
	}
	u, err := url.Parse(c.SMTP)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("EARSHOT_SMTP_URL must be smtp://user:password@host:587?from=address or smtps://user:password@host:465?from=address, special characters of user and password percent-encoded")
	}
	s := &server{host: u.Hostname(), port: 587, implicit: u.Scheme == "smtps", user: u.User.Username()}
	s.password, _ = u.User.Password()
	if s.implicit {
		s.port = 465
	}
	if u.Port() != "" {
		if s.port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, errors.New("EARSHOT_SMTP_URL: the port is no number")
		}
	}
	for name, values := range u.Query() {
		switch value := values[0]; {
		case name == "from":
			if s.from, err = mail.ParseAddress(value); err != nil {
				return nil, fmt.Errorf("EARSHOT_SMTP_URL: from is no e-mail address: %w", err)
			}
		case name == "starttls" && value == "off" && !s.implicit:
			s.plain = true
		default:
			return nil, fmt.Errorf("EARSHOT_SMTP_URL: %s is not understood; there are from, and with smtp:// starttls=off", strings.ToValidUTF8(name, "?"))
		}
	}
	if s.from == nil {
		return nil, errors.New("EARSHOT_SMTP_URL: ?from= must say who sends: an e-mail address")
	}
	return s, nil
}
