package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"earshot/deploy/client"
)

// Each role in a process of its own does together what one process does; on
// the embedded engines a second process is refused with a reason.
func TestRolesInProcessesOfTheirOwn(t *testing.T) {
	s := newStack(t, speech(t)...)
	if *engineSet == embeddedSet {
		s.start()
		ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
		defer cancel()
		_, err := client.Start(ctx, client.Options{Binary: *program, Args: []string{"--data", s.data}, Env: s.env})
		if err == nil || !strings.Contains(err.Error(), "in use by another Earshot") {
			t.Errorf("a second process on one data folder: %v", err)
		}
		return
	}
	s.env = append(s.env, "EARSHOT_BLOB_URL=file://"+t.TempDir())
	sink := s.role("sink")
	s.role("transcribe")
	analyze := s.role("analyze")
	s.role("report")
	api := s.role("api")
	if err := api.Login(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	chat, err := api.Chat(ctx, map[string]string{"text": "Client: Hello, where is my order?\nOperator: It arrives today."}, "")
	if err != nil {
		t.Fatal(err)
	}
	recording, err := os.Open(filepath.Join(root, "deploy", "samples", "calls", "01-billing-charged-twice.ogg"))
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	call, err := api.Upload(ctx, recording.Name(), recording, map[string]string{"call_type": "inbound"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Code string `json:"report_task_code"`
	}
	if err := api.Post(ctx, "/user/callreport", nil, map[string]string{"start_date": "2025-10-01", "end_date": "2025-10-31"}, &report); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{chat, call, report.Code} {
		if task, err := api.Wait(ctx, code, 50*time.Millisecond); err != nil || task.Status != "completed" {
			t.Errorf("task %s: %+v, %v", code, task, err)
		}
	}
	for _, p := range []*client.Server{sink, analyze} {
		if err := p.Get(ctx, "/healthz", nil, nil); err != nil {
			t.Errorf("healthz of a process without the role api: %v", err)
		}
		res, err := p.HTTP.Post(p.Base+"/auth/login", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("a process without the role api answers a login with %d", res.StatusCode)
		}
	}
}

// role starts a process that plays one role, in a data folder of its own, until the test ends.
func (s *stack) role(name string) *client.Server {
	s.Helper()
	log, err := os.Create(filepath.Join(s.logs, name+".log"))
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), startTimeout)
	defer cancel()
	server, err := client.Start(ctx, client.Options{Binary: *program, Args: []string{"--roles", name, "--data", filepath.Join(s.data, name)}, Env: s.env, Log: log})
	if err != nil {
		s.Fatalf("role %s: %v", name, err)
	}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), graceTime)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			s.Errorf("stop role %s: %v", name, err)
		}
	})
	return server
}
