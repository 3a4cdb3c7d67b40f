package api

import (
	"context"
	"sync"
)

// places bound what goes on at once. One organisation has at most half of them,
// so that it never keeps all others out.
type places struct {
	all  chan struct{}
	mu   sync.Mutex
	orgs map[string]*share // of those that have a place or wait for one
}

type share struct {
	taken chan struct{}
	users int
}

func newPlaces(n int) *places {
	return &places{all: make(chan struct{}, n), orgs: map[string]*share{}}
}

// take takes a place for an organisation, and waits for one until wait ends;
// false when there was none. leave gives it back and must be called once.
func (p *places) take(wait context.Context, org string) (leave func(), ok bool) {
	s := p.open(org)
	if !enter(wait, s.taken) {
		p.close(org, s)
		return nil, false
	}
	if !enter(wait, p.all) {
		<-s.taken
		p.close(org, s)
		return nil, false
	}
	return func() {
		<-p.all
		<-s.taken
		p.close(org, s)
	}, true
}

func enter(wait context.Context, slots chan struct{}) bool {
	select {
	case slots <- struct{}{}: // also when wait has ended already
		return true
	default:
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-wait.Done():
		return false
	}
}

func (p *places) open(org string) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.orgs[org]
	if s == nil {
		s = &share{taken: make(chan struct{}, max(1, cap(p.all)/2))}
		p.orgs[org] = s
	}
	s.users++
	return s
}

func (p *places) close(org string, s *share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(p.orgs, org)
	}
}
