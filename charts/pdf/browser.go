package pdf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/procfs"
)

const (
	startTimeout = 30 * time.Second // of the browser, on a busy machine
	watchEvery   = 200 * time.Millisecond
	killWait     = 5 * time.Second // for the kernel to take killed processes away
)

// browser is a running Chromium with a process group and a profile folder of its own.
type browser struct {
	ctx     context.Context // chromedp's root; done when the browser is
	kill    context.CancelFunc
	free    func() // waits for what chromedp started
	cmd     *exec.Cmd
	profile string
	printed int
}

// find returns the program to start.
func find(name string) (string, error) {
	names := []string{name}
	if name == "" {
		names = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}
	}
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", fmt.Errorf("%w (looked for %s)", ErrNoBrowser, strings.Join(names, ", "))
}

// flags are Chromium's, on top of chromedp's own.
func flags(profile string) map[string]any {
	all := map[string]any{
		"user-data-dir": profile,
		"disable-gpu":   true,
		"js-flags":      "--max-old-space-size=512", // MB; a page that needs more fails alone
		// No network, for any process of the browser: no name and no address resolves,
		// and WebRTC, which asks no resolver, may use a proxy only, of which there is none.
		"host-resolver-rules":             "MAP * ~NOTFOUND",
		"force-webrtc-ip-handling-policy": "disable_non_proxied_udp",
		"disable-component-update":        true,
		"disable-domain-reliability":      true,
		"no-pings":                        true,
	}
	// Chromium refuses to start as root with its sandbox. Where that matters, run
	// Earshot as a user; what a page may do is limited by the rest as well.
	if os.Geteuid() == 0 {
		all["no-sandbox"] = true
	}
	return all
}

// longest is the most bytes of a profile's path: Chromium keeps a socket in it, whose
// path may have 107. The 8 are to spare.
const longest = 107 - len("/org.chromium.Chromium.XXXXXX/SingletonSocket") - 8

// newProfile makes a profile's folder in dir, where what a killed program leaves is
// found and removed, as far as the socket of the browser fits there.
func newProfile(dir string) (profile string, err error) {
	if dir != "" {
		if dir, err = filepath.Abs(dir); err != nil {
			return "", err
		}
		if len(dir)+len("/pdf4294967295") > longest {
			dir = ""
		}
	}
	return os.MkdirTemp(dir, "pdf")
}

// start starts a browser. When ctx ends first it is killed.
func start(ctx context.Context, cfg Config, log *slog.Logger) (*browser, error) {
	program, err := find(cfg.Browser)
	if err != nil {
		return nil, err
	}
	b := &browser{}
	if b.profile, err = newProfile(cfg.Dir); err != nil {
		return nil, fmt.Errorf("a folder for the browser's profile: %w", err)
	}
	b.prepare(program, log)
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it did not answer in %v", startTimeout))
	defer cancel()
	stop := context.AfterFunc(ctx, b.kill)
	err = chromedp.Do(b.ctx)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("start %s: %w. Is it Chromium or Chrome, 112 or later? In a container its sandbox may be forbidden: allow user namespaces, or give it --no-sandbox (Debian: a file in /etc/chromium.d)", program, shortened(err))
	}
	return b, nil
}

// prepare makes b.ctx, whose first use starts the program.
func (b *browser) prepare(program string, log *slog.Logger) {
	options := slices.Clone(chromedp.DefaultExecAllocatorOptions[:])
	all := flags(b.profile)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		options = append(options, chromedp.Flag(name, all[name]))
	}
	options = append(options, chromedp.ExecPath(program), chromedp.NoInheritEnv, // no secret of ours
		chromedp.Env("PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "HOME="+b.profile, "TMPDIR="+b.profile),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			b.cmd = cmd
			// A group of its own, so that its children are killed with it; and when
			// Earshot itself is killed, the browser is too.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
			cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		}))
	allocator, freeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	root, kill := context.WithCancel(allocator)
	ctx, freeTab := chromedp.NewContext(root, chromedp.WithErrorf(func(format string, args ...any) { log.Debug("chromedp says", "line", fmt.Sprintf(format, args...)) }))
	b.ctx, b.kill = ctx, kill
	b.free = func() { freeTab(); freeAllocator() }
}

// shortened bounds what a program printed before it failed.
func shortened(err error) error {
	const most = 600
	text := strings.ToValidUTF8(strings.TrimSpace(err.Error()), "?")
	if len(text) <= most {
		return err
	}
	return errors.New(strings.ToValidUTF8(text[:most], "") + " ...")
}

// close kills the browser and everything that it started, and removes its folder.
func (b *browser) close() {
	b.kill()
	b.free()
	if b.cmd != nil && b.cmd.Process != nil {
		// Children outlive a browser that crashed, and write to its folder.
		for deadline := time.Now().Add(killWait); time.Now().Before(deadline) && len(members(b.cmd.Process.Pid)) > 0; time.Sleep(5 * time.Millisecond) {
			_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		}
	}
	_ = os.RemoveAll(b.profile)
}

// members are the living processes of a process group.
func members(group int) (pids []procfs.Proc) {
	all, _ := procfs.AllProcs()
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PGRP == group && stat.State != "Z" {
			pids = append(pids, p)
		}
	}
	return pids
}

// memory is what a process group holds for itself, in bytes: what processes map
// of the same files is not theirs.
func memory(group int) (total uint64) {
	for _, p := range members(group) {
		if status, err := p.NewStatus(); err == nil {
			total += status.RssAnon + status.RssShmem
		}
	}
	return total
}

// watch kills the browser by calling off when it holds more than limit MB, until
// ctx ends.
func (b *browser) watch(ctx context.Context, limit int, off context.CancelCauseFunc) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if used := memory(b.cmd.Process.Pid); used > uint64(limit)<<20 {
				off(fmt.Errorf("the browser used %d MB of memory, more than the %d of EARSHOT_PDF_MEMORY", used>>20, limit))
				return
			}
		}
	}
}
