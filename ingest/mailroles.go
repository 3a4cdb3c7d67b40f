package ingest

import (
	"slices"
	"strings"

	"github.com/emersion/go-message/mail"

	"earshot/schemas"
)

// answersWhom is how sure a role is that was only told by who answers whom.
const answersWhom = 0.8

// sender is who a message is from.
type sender struct {
	name    string
	address string // lower case; "" when it cannot be read
}

// key tells senders apart.
func (s sender) key() string {
	if s.address != "" {
		return s.address
	}
	return s.name
}

func (s sender) domain() string {
	_, domain, _ := strings.Cut(s.address, "@")
	return domain
}

func senderOf(h mail.Header) sender {
	list, err := h.AddressList("From")
	if err != nil || len(list) == 0 {
		raw := h.Get("From")
		return sender{name: CleanLine(raw, maxName)} // not as it should be, but the same each time
	}
	return sender{CleanLine(list[0].Name, maxName), strings.ToLower(CleanLine(list[0].Address, maxName))}
}

// machines are local parts of addresses at which nobody reads or writes.
var machines = map[string]bool{"no-reply": true, "noreply": true, "do-not-reply": true, "donotreply": true, "mailer-daemon": true, "postmaster": true, "notifications": true}

// named is the role that a sender's address or name gives away.
func (t Thread) named(s sender) string {
	for _, o := range t.Operators {
		o = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(o), "@"))
		if o != "" && (o == s.address || o == s.domain() || strings.HasSuffix(s.domain(), "."+o)) {
			return schemas.RoleOperator
		}
	}
	local, _, _ := strings.Cut(s.address, "@")
	if machines[local] {
		return schemas.RoleSystem
	}
	if role := roleOf(s.name, []string{t.OperatorName}); role != schemas.RoleUnknown {
		return role
	}
	return roleOf(local, nil)
}

// roles gives every sender a role, by key, and tells which of them are guesses.
// Who wrote first is the customer (in an outbound thread the operator), who
// answers is the other side, and colleagues are on the side of their domain.
// Anybody else stays unknown.
func (t Thread) roles(messages []message, senders map[string]sender) (roles map[string]string, guessed map[string]bool) {
	roles, guessed = map[string]string{}, map[string]bool{}
	sides := map[string]string{} // by domain; "" where both sides have it
	have := map[string]bool{}
	set := func(name, role string) {
		roles[name], have[role] = role, true
		d := senders[name].domain()
		if side, taken := sides[d]; taken && side != role {
			role = ""
		}
		if d != "" && roles[name] != schemas.RoleUnknown && roles[name] != schemas.RoleSystem {
			sides[d] = role
		}
	}
	var strangers []string // in order of appearance
	for _, m := range messages {
		if _, known := roles[m.name]; !known {
			set(m.name, t.named(senders[m.name]))
			if roles[m.name] == schemas.RoleUnknown {
				strangers = append(strangers, m.name)
			}
		}
	}
	told := have[schemas.RoleOperator] || have[schemas.RoleCustomer] // then the other side is no guess
	sequence := []string{schemas.RoleCustomer, schemas.RoleOperator}
	if t.Outbound {
		slices.Reverse(sequence)
	}
	for _, role := range sequence {
		if i := newcomer(strangers, senders, sides); !have[role] && i >= 0 {
			set(strangers[i], role)
			guessed[strangers[i]] = !told
			strangers = slices.Delete(strangers, i, i+1)
		}
	}
	for _, name := range strangers {
		if side := sides[senders[name].domain()]; side != "" {
			roles[name], guessed[name] = side, true
		}
	}
	return roles, guessed
}

// newcomer is the first stranger who is nobody's colleague, else (two who share
// a provider) the first; -1 when there is none.
func newcomer(strangers []string, senders map[string]sender, sides map[string]string) int {
	for i, name := range strangers {
		if _, colleague := sides[senders[name].domain()]; !colleague {
			return i
		}
	}
	return min(0, len(strangers)-1)
}
