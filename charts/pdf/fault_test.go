package pdf

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// browsersFolder makes browsers of this test put their profile into a folder of its own.
func browsersFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "p") // t.TempDir is too long for Chromium's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	t.Setenv("TMPDIR", folder)
	return folder
}

// processes are those that live and name the folder: all of a browser's but those
// that fork from its zygote before they say who they are.
func processes(t testing.TB, folder string) (found []procfs.Proc) {
	t.Helper()
	all, err := procfs.AllProcs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		args, err := p.CmdLine()
		stat, gone := p.Stat()
		if err == nil && gone == nil && stat.State != "Z" && strings.Contains(strings.Join(args, " "), folder) {
			found = append(found, p)
		}
	}
	return found
}

// ofBrowser are the processes in a folder that are a browser itself, or with a
// kind those of that --type.
func ofBrowser(t testing.TB, folder, kind string) (pids []int) {
	t.Helper()
	for _, p := range processes(t, folder) {
		args, _ := p.CmdLine()
		line := strings.Join(args, " ")
		if kind == "" && strings.Contains(line, "--remote-debugging-pipe") && !strings.Contains(line, "--type=") || kind != "" && strings.Contains(line, "--type="+kind) {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// gone waits until no browser and no profile is left in the folder.
func gone(t testing.TB, folder string) {
	t.Helper()
	await(t, "the browser to go", func() bool {
		left, err := os.ReadDir(folder)
		return err == nil && len(left) == 0 && len(processes(t, folder)) == 0
	})
}

func TestPageThatIsNeverReady(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"silent", `nothing`, "longer than 2s"},
		{"broken", `<script>drawCharts()</script>`, "drawCharts is not defined"},
		{"busy", `<script>setTimeout(() => { for (;;); })</script>`, "longer than 2s"},
		{"goes away", `<script>location = "about:blank"</script>`, "ready"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := browsersFolder(t)
			cfg := settings()
			cfg.Timeout = 2 * time.Second
			begin := time.Now()
			_, err := printer(t, cfg).Print(t.Context(), []byte("<!DOCTYPE html><body>"+tt.body), "")
			if err == nil || !strings.Contains(err.Error(), tt.want) && !strings.Contains(err.Error(), "longer than 2s") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if took := time.Since(begin); took > attempts*cfg.Timeout+3*time.Second {
				t.Errorf("took %v", took)
			}
			gone(t, folder)
		})
	}
}

func TestBrowserThatFailsIsReplaced(t *testing.T) {
	slow := []byte(`<!DOCTYPE html><body>printed<script>setTimeout(() => { document.documentElement.dataset.ready = "true" }, 1500)</script>`)
	for _, tt := range []struct {
		name   string
		kind   string // of the processes that get the signal
		signal syscall.Signal
	}{
		{"killed", "", syscall.SIGKILL},
		{"stopped", "", syscall.SIGSTOP},
		{"page killed", "renderer", syscall.SIGKILL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := browsersFolder(t)
			cfg := settings()
			cfg.Timeout = 8 * time.Second
			p := printer(t, cfg)
			if _, err := p.Print(t.Context(), ready("warm"), ""); err != nil {
				t.Fatal(err)
			}
			first := p.browser.cmd.Process.Pid
			var printing sync.WaitGroup
			printing.Go(func() {
				document, err := p.Print(t.Context(), slow, "")
				if err != nil {
					t.Error(err)
				} else if text := pages(t, document); !strings.Contains(text[0], "printed") {
					t.Errorf("printed %q", text)
				}
			})
			await(t, "the page", func() bool { return !p.turn.TryAcquire(1) || release(p) })
			await(t, "another browser", func() bool {
				for _, pid := range ofBrowser(t, folder, tt.kind) {
					if group, err := syscall.Getpgid(pid); err == nil && group == first {
						_ = syscall.Kill(pid, tt.signal)
					}
				}
				return len(members(first)) == 0 && len(ofBrowser(t, folder, "")) == 1
			})
			printing.Wait()
			p.Close()
			gone(t, folder)
		})
	}
}

// release gives back a turn that was only tried.
func release(p *Printer) bool {
	p.turn.Release(1)
	return false
}

func TestProgramThatIsNoBrowser(t *testing.T) {
	script := func(lines string) string {
		file := filepath.Join(t.TempDir(), "browser")
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+lines), 0o700); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, tt := range []struct {
		name, program string
		none          bool
		want          string
	}{
		{"missing", "no-such-browser", true, "apt-get install chromium"},
		{"a folder", t.TempDir(), true, "EARSHOT_CHROMIUM"},
		{"ends at once", script("echo I am no browser; exit 3"), false, "I am no browser"},
		{"hangs", script("sleep 1000 & sleep 1000 $1"), false, "longer than 2s"},
		{"talks nonsense", script(`printf 'no\0' >&4; sleep 1000`), false, "Is it Chromium"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := browsersFolder(t)
			cfg := settings()
			cfg.Timeout, cfg.Browser = 2*time.Second, tt.program
			_, err := printer(t, cfg).Print(t.Context(), ready("x"), "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrNoBrowser) != tt.none {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			gone(t, folder)
		})
	}
}

func TestPageReachesNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var calls atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			conn.Close()
		}
	}()
	// No policy of its own: what holds it is the browser.
	hostile := strings.NewReplacer("ADDRESS", listener.Addr().String(), "PORT", strings.TrimPrefix(listener.Addr().String(), "127.0.0.1:")).Replace(`<!DOCTYPE html><html><head>
<link rel="preconnect" href="http://ADDRESS"><link rel="prefetch" href="http://ADDRESS/p"><link rel="stylesheet" href="http://ADDRESS/c.css">
<style>@import "http://ADDRESS/i.css"; @font-face { font-family: f; src: url(http://ADDRESS/f.woff) } body { font-family: f; background: url(http://localhost:PORT/b.png) }</style></head>
<body>inert <img src="http://ADDRESS/a.png"><iframe src="http://ADDRESS/frame"></iframe><iframe src="file:///etc/passwd"></iframe><object data="file:///etc/passwd"></object>
<embed src="http://ADDRESS/e"><video src="http://ADDRESS/v" autoplay></video><p id="said"></p>
<script src="http://ADDRESS/s.js"></script><script>
const quiet = f => { try { const r = f(); if (r && r.catch) r.catch(() => {}) } catch (e) {} };
quiet(() => fetch("http://ADDRESS/fetch", {mode: "no-cors"}));
quiet(() => fetch("file:///etc/passwd").then(r => r.text()).then(s => { said.textContent = s }));
quiet(() => navigator.sendBeacon("http://ADDRESS/beacon", "x"));
quiet(() => new WebSocket("ws://ADDRESS/ws"));
quiet(() => new EventSource("http://ADDRESS/es"));
quiet(() => new Worker(URL.createObjectURL(new Blob(['fetch("http://ADDRESS/worker", {mode: "no-cors"})']))));
quiet(() => open("http://ADDRESS/window"));
quiet(() => { const pc = new RTCPeerConnection({iceServers: [{urls: "turn:ADDRESS?transport=tcp", username: "u", credential: "c"}]}); pc.createDataChannel("d"); return pc.createOffer().then(o => pc.setLocalDescription(o)) });
setTimeout(() => { document.documentElement.dataset.ready = "true" }, 1500)</script></body></html>`)
	document, err := printer(t, settings()).Print(t.Context(), []byte(hostile), `<img src="http://`+listener.Addr().String()+`/foot">`)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(pages(t, document), "")
	if n := calls.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	if !strings.Contains(text, "inert") || strings.Contains(text, "root:") {
		t.Errorf("the page reads %q", text)
	}
}

func TestPrintingIsCalledOff(t *testing.T) {
	for name, off := range map[string]func(p *Printer, cancel func()){
		"by the caller": func(_ *Printer, cancel func()) { cancel() },
		"by Close":      func(p *Printer, _ func()) { p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			folder := browsersFolder(t)
			p := printer(t, settings())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var printing sync.WaitGroup
			for range 3 {
				printing.Go(func() {
					if _, err := p.Print(ctx, []byte("never ready"), ""); err == nil {
						t.Error("printed")
					}
				})
			}
			await(t, "the page", func() bool { return len(ofBrowser(t, folder, "renderer")) > 0 })
			off(p, cancel)
			printing.Wait()
			gone(t, folder)
		})
	}
}
