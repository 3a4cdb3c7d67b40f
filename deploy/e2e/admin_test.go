package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"earshot/deploy/client"
)

// An operator makes an organisation, puts it on a plan and lets somebody in, on
// real engines while the program runs; what was done is in the audit.
func TestAdmin(t *testing.T) {
	s := newStack(t)
	s.start()
	if s.brokers == "" {
		s.stop() // one process at a time has the embedded engines
	}
	org := strings.TrimSpace(s.admin("org", "create", "Acme Ltd"))
	s.admin("plan", "set", org, "pro", "--overage")
	out := s.admin("user", "create", "boss@acme.example", "--org", org, "--role", "admin")
	_, generated, _ := strings.Cut(strings.TrimSuffix(out, " (shown once)\n"), "password ")
	if list := s.admin("user", "list"); !strings.Contains(list, "boss@acme.example") || !strings.Contains(list, email) {
		t.Errorf("earshot admin user list says %q", list)
	}
	if s.brokers == "" {
		s.start()
	}
	boss := client.Client{Base: s.Base, HTTP: s.HTTP}
	if err := boss.Login(t.Context(), "boss@acme.example", generated); err != nil {
		t.Fatal(err)
	}
	tariff := s.call(&boss, http.MethodGet, "/user/tariff", nil, nil).json(s)["tariff"]
	if plan, _ := tariff.(map[string]any); plan["identifier"] != "pro" || plan["overage"] != true {
		t.Errorf("the tariff is %v", tariff)
	}
	s.eventually(30*time.Second, "the audit is in ClickHouse", func() string {
		rows := s.sql("SELECT groupArray(action) FROM (SELECT action FROM audit FINAL WHERE org = '" + org + "' ORDER BY at)")
		if got := fmt.Sprint(rows); got != "[[['organisation','plan','user.created','login']]]" {
			return got
		}
		return ""
	})
}

// admin runs earshot admin and gives what it prints.
func (s *stack) admin(args ...string) string {
	s.Helper()
	data := s.data
	if s.brokers != "" {
		data = s.TempDir() // the recordings are in the other one, which is the running program's
	}
	cmd := exec.Command(*program, append([]string{"admin", "--data", data}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("earshot admin %v: %v\n%s", args, err, complaint.String())
	}
	return string(out)
}
