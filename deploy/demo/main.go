// Command demo starts Earshot on a fresh data folder, sends the bundled
// samples through its public API, waits for the results and prints them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"earshot/deploy/client"
)

const (
	email    = "demo@example.com"
	password = "earshot-demo"
)

// sample is one line of the samples' manifest.
type sample struct {
	File         string `json:"file"`
	Type         string `json:"type"` // call or chat
	CallType     string `json:"call_type"`
	OperatorName string `json:"operator_name"`
	ClientID     string `json:"client_id"`
	CallDateTime string `json:"call_datetime"`
	Language     string `json:"language"`
	code         string
}

func main() {
	samples := flag.String("samples", "deploy/samples", "folder with manifest.json, calls and chats")
	data := flag.String("data", ".build/demo", "data folder; emptied first")
	binary := flag.String("binary", "bin/earshot", "the program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *samples, *data, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder, data, binary string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	samples, left, err := manifest(folder)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(data), os.MkdirAll(data, 0o755)); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(data, "earshot.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	server, err := client.Start(ctx, client.Options{
		Binary: binary, Args: []string{"--data", data}, Log: log,
		Env: []string{"EARSHOT_BOOTSTRAP_EMAIL=" + email, "EARSHOT_BOOTSTRAP_PASSWORD=" + password},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(ctx)) }()
	fmt.Printf("Earshot is ready after %.1f s on the embedded engines.\n", server.Startup.Seconds())
	if err := server.Login(ctx, email, password); err != nil {
		return err
	}
	tasks, err := process(ctx, server.Client, folder, samples)
	if err != nil {
		return err
	}
	failed, err := table(ctx, server.Client, samples, tasks)
	if err != nil {
		return err
	}
	transcripts(samples, tasks)
	if left > 0 {
		fmt.Printf("\n%d recordings in other languages were left out: the model that ships knows English only.\nFor them: bin/earshot model get base, then make demo with EARSHOT_WHISPER_MODEL set to its file.\n", left)
	}
	next(data, binary)
	if failed > 0 {
		return fmt.Errorf("%d tasks failed; the log is %s", failed, log.Name())
	}
	return nil
}

// manifest reads what is to be sent. Recordings that the model that ships
// cannot hear are left out, unless another one was chosen.
func manifest(folder string) (samples []sample, left int, err error) {
	raw, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(raw, &samples); err != nil {
		return nil, 0, err
	}
	all := len(samples)
	if os.Getenv("EARSHOT_WHISPER_MODEL") == "" && os.Getenv("EARSHOT_STT_URL") == "" {
		samples = slices.DeleteFunc(samples, func(s sample) bool { return s.Type == "call" && s.Language != "en" })
	}
	return samples, all - len(samples), nil
}

func process(ctx context.Context, c *client.Client, folder string, samples []sample) ([]client.Task, error) {
	bar := progressbar.NewOptions(2*len(samples), progressbar.OptionSetDescription("recordings and chats"),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionOnCompletion(func() { fmt.Println() }))
	for i := range samples {
		if err := submit(ctx, c, folder, &samples[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", samples[i].File, err)
		}
		if err := bar.Add(1); err != nil {
			return nil, err
		}
	}
	tasks := make([]client.Task, len(samples))
	for i, s := range samples {
		var err error
		if tasks[i], err = c.Wait(ctx, s.code, 50*time.Millisecond); err != nil {
			return nil, fmt.Errorf("%s: %w", s.File, err)
		}
		if err := bar.Add(1); err != nil {
			return nil, err
		}
	}
	return tasks, nil
}

func submit(ctx context.Context, c *client.Client, folder string, s *sample) error {
	path := filepath.Join(folder, s.File)
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fields := map[string]string{"call_type": s.CallType, "operator_name": s.OperatorName, "client_id": s.ClientID, "call_datetime": s.CallDateTime}
	if s.Type == "call" {
		s.code, err = c.Upload(ctx, path, strings.NewReader(string(raw)), fields, nil)
		return err
	}
	body := map[string]any{}
	if err := json.Unmarshal(raw, &body); err != nil {
		return err
	}
	for k, v := range fields {
		if _, given := body[k]; !given && v != "" {
			body[k] = v
		}
	}
	s.code, err = c.Chat(ctx, body, "")
	return err
}

// analysis is the part of GET /api/calls_analysis_v2 that the table shows.
type analysis struct {
	CSAT     *int64 `json:"customer_satisfaction_score"`
	Analysis struct {
		Summary   string `json:"summary"`
		Sentiment string `json:"sentiment"`
	} `json:"analysis"`
}

func table(ctx context.Context, c *client.Client, samples []sample, tasks []client.Task) (failed int, err error) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nTASK\tTYPE\tLENGTH\tSTATUS\tSENTIMENT\tCSAT\tSUMMARY")
	for i, t := range tasks {
		length := "-"
		if t.Minutes > 0 {
			length = fmt.Sprintf("%.0f s", t.Minutes*60)
		}
		name := strings.TrimSuffix(filepath.Base(samples[i].File), filepath.Ext(samples[i].File))
		row := []string{name, t.Type, length, t.Status, "-", "-", ""}
		if t.Status == "completed" {
			var a analysis
			if err := c.Get(ctx, "/api/calls_analysis_v2/"+t.Code, nil, &a); err != nil {
				return failed, fmt.Errorf("analysis of %s: %w", name, err)
			}
			row[4], row[6] = a.Analysis.Sentiment, clip(a.Analysis.Summary, 96)
			if a.CSAT != nil {
				row[5] = fmt.Sprint(*a.CSAT)
			}
		} else {
			failed++
			if t.Error != nil {
				row[6] = clip(*t.Error, 96)
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return failed, w.Flush()
}

// transcripts prints what was heard in each call.
func transcripts(samples []sample, tasks []client.Task) {
	for i, t := range tasks {
		if samples[i].Type != "call" || t.Result == nil || t.Result.Text == nil {
			continue
		}
		fmt.Printf("\nWhat was said in %s\n", filepath.Base(samples[i].File))
		for line := range strings.Lines(*t.Result.Text) {
			fmt.Println("  " + strings.TrimSpace(line))
		}
	}
}

func clip(s string, runes int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > runes {
		return string(r[:runes-1]) + "…"
	}
	return s
}

func next(data, binary string) {
	fmt.Printf(`
Where to look next
  run it for real      %[1]s serve --data %[2]s --listen 127.0.0.1:8080
  log in               POST /auth/login as %[3]s, password %[4]s (hashed with SHA-256, see README)
  one conversation     GET /gettask?task_code=…  and  GET /api/calls_analysis_v2/…
  find conversations   GET /tasks/filter?message=refund&priority_id=3,4
  its settings         %[1]s validate
  its figures          GET /metrics, GET /readyz
  its log              %[2]s/earshot.log
`, binary, data, email, password)
}
