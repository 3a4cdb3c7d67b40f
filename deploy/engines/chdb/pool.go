package chdb

import (
	"crypto/rand"
	"fmt"
	"sort"
	"strings"
	"sync"
)

// sessionPool keeps sessions that have run nothing but queries, which leave no trace, for the next request with the same database and
// settings: opening and configuring one takes as long as a small query. Sessions of any other statement are closed.
type sessionPool struct {
	open func() (*session, error)
	mu   sync.Mutex
	idle []*session // oldest first
	max  int
}

// get gives a session with the database and settings of req. Its id, which the engine knows as log_comment, is how a statement is killed.
func (p *sessionPool) get(req *request) (*session, error) {
	key := req.sessionKey()
	if s := p.take(key); s != nil {
		return s, nil
	}
	s, err := p.open()
	if err != nil {
		return nil, err
	}
	s.id, s.key = rand.Text(), key
	set := settings{"log_comment": s.id}
	for name, value := range req.settings {
		set[name] = value
	}
	if err := s.configure(req.reader, req.database, set); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (p *sessionPool) take(key string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if s := p.idle[i]; s.key == key {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return s
		}
	}
	return nil
}

// put takes a session back; clean says that it ran a query, to its end.
func (p *sessionPool) put(s *session, clean bool) {
	if clean {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, s)
		if len(p.idle) <= p.max {
			return
		}
		s, p.idle = p.idle[0], p.idle[1:]
	}
	s.close()
}

func (p *sessionPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		s.close()
	}
	p.idle = nil
}

// sessionKey tells requests apart that must not share a session.
func (req *request) sessionKey() string {
	pairs := make([]string, 0, len(req.settings))
	for name, value := range req.settings {
		pairs = append(pairs, fmt.Sprintf("%q=%q", name, value))
	}
	sort.Strings(pairs)
	return fmt.Sprintf("%t %q %s", req.reader, req.database, strings.Join(pairs, " "))
}
