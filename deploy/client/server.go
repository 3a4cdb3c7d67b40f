package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Server is a running `earshot serve`.
type Server struct {
	*Client
	Address string        // host:port it listens on
	Startup time.Duration // from the start of the process to /readyz green
	PID     int

	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of the process, after exited
}

// Options of Start.
type Options struct {
	Binary string    // bin/earshot
	Args   []string  // after `serve`; --listen 127.0.0.1:0 is added
	Env    []string  // KEY=value, on top of this process's environment without its EARSHOT_ variables
	Log    io.Writer // gets the server's log, line by line
}

var addressInLog = regexp.MustCompile(`msg="earshot serves".* address=(\S+)`)

// Start runs the server on a free port and waits until /readyz is green. A
// server that ends before that is an error with the end of its log.
func Start(ctx context.Context, o Options) (*Server, error) {
	begin := time.Now()
	cmd := exec.Command(o.Binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, o.Args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EARSHOT_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (make build makes the binary)", err)
	}
	s := &Server{cmd: cmd, PID: cmd.Process.Pid, exited: make(chan struct{})}
	address := make(chan string, 1)
	tail := make(chan []string, 1)
	go s.follow(stderr, o.Log, address, tail)
	select {
	case s.Address = <-address:
	case <-s.exited:
		return nil, fmt.Errorf("earshot serve ended: %v\n%s", s.err, strings.Join(<-tail, "\n"))
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.Kill())
	}
	s.Client = New("http://" + s.Address)
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Kill())
	}
	s.Startup = time.Since(begin)
	return s, nil
}

// follow copies the log until the process has ended, and remembers its end.
func (s *Server) follow(log io.Reader, to io.Writer, address chan<- string, tail chan<- []string) {
	var last []string
	found := false
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if to != nil {
			if _, err := fmt.Fprintln(to, line); err != nil {
				to = nil
			}
		}
		if !found { // a pattern on every line would cost the load generator more than its requests
			if m := addressInLog.FindStringSubmatch(line); m != nil {
				found = true
				address <- m[1]
			}
		}
		if last = append(last, line); len(last) > 20 {
			last = last[1:]
		}
	}
	s.err = s.cmd.Wait()
	tail <- last
	close(s.exited)
}

func (s *Server) ready(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := s.HTTP.Do(req)
		if err == nil {
			ready := res.StatusCode == http.StatusOK
			if err := res.Body.Close(); err == nil && ready {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not get ready: %w", ctx.Err())
		case <-s.exited:
			return fmt.Errorf("the server ended before it was ready: %v", s.err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop asks the server to end (SIGTERM) and waits for it. A server that ends
// with another status than 0, or not within ctx, is an error.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.exited:
		return s.err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the server does not stop: %w", ctx.Err()), s.Kill())
	}
}

// Kill ends the server as a power cut would (SIGKILL) and waits until it is gone.
func (s *Server) Kill() error {
	err := s.cmd.Process.Kill()
	<-s.exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
