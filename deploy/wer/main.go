// Command wer measures how well Earshot hears: sentences that the model that
// ships was never trained on, spoken by espeak-ng in voices it was never
// trained on, sent as telephone calls through the public API of a real server.
// It prints the word error rate of each voice and of all, with a JSON line at
// the end, and ends with status 1 above the bar.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"earshot/deploy/client"
)

const (
	email    = "wer@example.com"
	password = "earshot-wer"
	perCall  = 8 // sentences of one call
)

// voices are those that speech.py holds out of the training.
var voices = []string{"en-us+m7", "en+m7", "en-us+f5", "en+f5", "en-gb-x-gbclan+m1", "en-gb-x-gbclan+f2"}

// options are the command's flags.
type options struct {
	binary, data, model, sentences, samples string
	bar                                     float64
}

// recording is one call that is to be heard.
type recording struct {
	group string // voice, or name of the demo's recording
	path  string
	said  string
	code  string
}

// score counts the words of a group and the errors in them.
type score struct {
	group         string
	words, errors int
}

func (s score) rate() float64 { return float64(s.errors) / max(1, float64(s.words)) }

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/earshot", "the program")
	flag.StringVar(&o.data, "data", ".build/wer", "data folder; emptied first")
	flag.StringVar(&o.model, "model", "", "Whisper model in ggml format; empty: the one the program has")
	flag.StringVar(&o.sentences, "sentences", "deploy/wer/sentences.txt", "what is said, a sentence a line")
	flag.StringVar(&o.samples, "samples", "deploy/samples/calls", "recordings of the demo, with their texts")
	flag.Float64Var(&o.bar, "bar", 0.20, "highest word error rate that passes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "wer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	if err := errors.Join(os.RemoveAll(o.data), os.MkdirAll(o.data, 0o755)); err != nil {
		return err
	}
	calls, err := speak(ctx, o.sentences, o.data)
	if err != nil {
		return err
	}
	demo, err := recorded(o.samples)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(o.data, "earshot.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	env := []string{"EARSHOT_BOOTSTRAP_EMAIL=" + email, "EARSHOT_BOOTSTRAP_PASSWORD=" + password}
	if o.model != "" {
		env = append(env, "EARSHOT_WHISPER_MODEL="+o.model)
	}
	server, err := client.Start(ctx, client.Options{Binary: o.binary, Args: []string{"--data", filepath.Join(o.data, "server")}, Log: log, Env: env})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(ctx)) }()
	if err := server.Login(ctx, email, password); err != nil {
		return err
	}
	begin := time.Now()
	held, err := hear(ctx, server.Client, calls, o.data)
	if err != nil {
		return err
	}
	shown, err := hear(ctx, server.Client, demo, o.data)
	if err != nil {
		return err
	}
	return report(held, shown, time.Since(begin), o.bar)
}

// hear submits the calls, waits for them and gives the errors by group. What
// was said and what was heard is written to heard.txt for people to compare.
func hear(ctx context.Context, c *client.Client, calls []recording, folder string) (scores []score, err error) {
	for i, call := range calls {
		file, err := os.Open(call.path)
		if err != nil {
			return nil, err
		}
		calls[i].code, err = c.Upload(ctx, call.path, file, map[string]string{"call_type": "inbound"}, nil)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", call.path, err)
		}
	}
	list, err := os.OpenFile(filepath.Join(folder, "heard.txt"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	for _, call := range calls {
		task, err := c.Wait(ctx, call.code, 50*time.Millisecond)
		if err != nil {
			return nil, err
		}
		heard := ""
		switch {
		case task.Status != "completed" && task.Error != nil:
			return nil, fmt.Errorf("%s ended with %s: %s", call.path, task.Status, *task.Error)
		case task.Result != nil && task.Result.Text != nil:
			heard = withoutRoles(*task.Result.Text)
		}
		said, words := normal(call.said), normal(heard)
		if _, err := fmt.Fprintf(list, "%s\n  said  %s\n  heard %s\n", call.path, strings.Join(said, " "), strings.Join(words, " ")); err != nil {
			return nil, err
		}
		if len(scores) == 0 || scores[len(scores)-1].group != call.group {
			scores = append(scores, score{group: call.group})
		}
		last := &scores[len(scores)-1]
		last.words, last.errors = last.words+len(said), last.errors+distance(said, words)
	}
	return scores, nil
}

func report(held, shown []score, took time.Duration, bar float64) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	all, demo, voices := score{}, score{}, map[string]float64{}
	for _, s := range held {
		fmt.Fprintf(w, "voice\t%s\t%d words\t%d errors\t%.1f %%\t\n", s.group, s.words, s.errors, 100*s.rate())
		all.words, all.errors = all.words+s.words, all.errors+s.errors
		voices[s.group] = s.rate()
	}
	fmt.Fprintf(w, "voice\tall\t%d words\t%d errors\t%.1f %%\t\n", all.words, all.errors, 100*all.rate())
	for _, s := range shown {
		fmt.Fprintf(w, "demo\t%s\t%d words\t%d errors\t%.1f %%\t\n", s.group, s.words, s.errors, 100*s.rate())
		demo.words, demo.errors = demo.words+s.words, demo.errors+s.errors
	}
	if err := w.Flush(); err != nil {
		return err
	}
	line, err := json.Marshal(map[string]any{
		"figure": "word_error_rate", "value": all.rate(), "target": bar, "met": all.rate() <= bar, "words": all.words,
		"voices": voices, "demo": demo.rate(), "seconds": took.Seconds(), "cores": runtime.NumCPU(),
	})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if all.rate() > bar {
		return fmt.Errorf("the word error rate is %.1f %%, above the bar of %.1f %%", 100*all.rate(), 100*bar)
	}
	return nil
}

// recorded are the demo's English recordings. Their words count, not who says
// them or in what order two who speak at once are written.
func recorded(folder string) (calls []recording, err error) {
	texts, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, path := range texts {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		header, text, _ := strings.Cut(string(raw), "\n")
		if !strings.Contains(header, "language=en") {
			continue
		}
		name := strings.TrimSuffix(path, ".txt")
		calls = append(calls, recording{group: filepath.Base(name), path: name + ".ogg", said: withoutRoles(text)})
	}
	return calls, nil
}

// output runs a program and gives what it writes to standard output.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s (make setup installs it)", cmd.Path, err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}
