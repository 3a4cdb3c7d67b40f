package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/deploy/engines/chdb"
)

// process is a server that a test runs beside the program. It ends with the
// test, and with this process too.
type process struct {
	t      testing.TB
	name   string
	log    string // path
	args   []string
	env    []string
	answer func(context.Context) error // nil when it serves

	cmd    *exec.Cmd
	exited chan struct{}
}

// start runs the process and waits until it serves. A process that was killed
// may be started again: its data are where they were.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// A group of its own, so that what it started goes with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // a killed process has no status worth knowing
	}(p.cmd, p.exited)
	return p.await()
}

func (p *process) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, time.Second)
		err := p.answer(try)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it served:\n%s", p.name, tail(p.log))
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w\n%s", p.name, err, tail(p.log))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// signal sends a signal to the process and all that it started.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("signal %v to %s: %v", s, p.name, err)
	}
}

// kill ends the process as a power cut would and waits until it is gone.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// freePort is a port on loopback that nobody listens on, outside the range from
// which the kernel takes ports for outgoing connections: a server that is
// killed must get it back.
func freePort() (int, error) {
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("found no free port on 127.0.0.1")
}

// dials reports whether somebody listens on a port.
func dials(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// The environment of the child process that is ClickHouse.
const (
	clickHouseDir  = "E2E_CLICKHOUSE_DIR"
	clickHousePort = "E2E_CLICKHOUSE_PORT"
)

func newClickHouse(t testing.TB, dir, log string, port int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &process{
		t: t, name: "ClickHouse", log: log, args: []string{self},
		env:    []string{clickHouseDir + "=" + dir, fmt.Sprintf("%s=%d", clickHousePort, port)},
		answer: dials(port),
	}, nil
}

// serveClickHouse is that child: the engine behind a port that stays the same
// through restarts and knows no password. The engine's own account changes with
// every start, a ClickHouse server's would not.
func serveClickHouse() error {
	lib, err := chdb.Locate("")
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	engine, err := chdb.Open(chdb.Options{Library: lib, Dir: os.Getenv(clickHouseDir)}, log)
	if err != nil {
		return err
	}
	user, password := engine.Account()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		r.Header.Set("X-ClickHouse-User", user)
		r.Header.Set("X-ClickHouse-Key", password)
		engine.ServeHTTP(w, r)
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv(clickHousePort), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe() // until it is killed
}

func newRedis(t testing.TB, dir, log string, port int) *process {
	return &process{
		t: t, name: "redis-server", log: log,
		args: []string{"redis-server", "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", dir, "--appendonly", "no", "--save", ""},
		answer: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				return err
			}
			defer conn.Close()
			deadline, _ := ctx.Deadline()
			if err := conn.SetDeadline(deadline); err != nil {
				return err
			}
			if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
				return err
			}
			answer := make([]byte, 5)
			if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+PONG" {
				return fmt.Errorf("redis-server answers %q, %v", answer, err)
			}
			return nil
		},
	}
}

func newKafka(t testing.TB, dir, log string, port int) *process {
	return &process{
		t: t, name: "Kafka", log: log,
		args: []string{filepath.Join(root, "deploy", "kafka", "start.sh"), dir, fmt.Sprint(port)},
		// Half the start and half the memory, for a broker that lives a minute.
		env: []string{"KAFKA_HEAP=384m", "JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"},
		answer: func(ctx context.Context) error {
			client, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", port)))
			if err != nil {
				return err
			}
			defer client.Close()
			brokers, err := kadm.NewClient(client).ListBrokers(ctx)
			if err == nil && len(brokers) == 0 {
				err = errors.New("no broker is registered yet")
			}
			return err
		},
	}
}
