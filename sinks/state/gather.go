package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// perAccept bounds how many tasks one script accepts.
const perAccept = 64

// acceptTimeout bounds a script that several callers wait for, and that none
// of them may therefore cancel.
const acceptTimeout = 10 * time.Second

// An asking is one call of Accept on its way to Redis.
type asking struct {
	ctx    context.Context
	args   []any
	answer []string
	err    error
	done   chan struct{}
}

// gathering lets what arrives for an organisation while a script is under way
// share the next one. A call on its own is not delayed, and under load a
// script, most of whose cost in the embedded Redis is to start it, serves many.
type gathering struct {
	lock    sync.Mutex
	waiting map[string][]*asking // by organisation; an entry means that a script is under way
}

// ask sends one task through accept.lua. When ctx ends first, the outcome is
// unknown, as with any request whose answer is lost: the reservation is
// resumed by a repetition of the request or given back by the sweep.
func (s *Store) ask(ctx context.Context, org string, args []any) ([]string, error) {
	a := &asking{ctx: ctx, args: args, done: make(chan struct{})}
	s.gather.lock.Lock()
	waiting, busy := s.gather.waiting[org]
	if busy {
		s.gather.waiting[org] = append(waiting, a)
	} else {
		s.gather.waiting[org] = nil
		go s.askAll(org, []*asking{a})
	}
	s.gather.lock.Unlock()
	select {
	case <-a.done:
		return a.answer, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("redis: accept: %w", ctx.Err())
	}
}

// askAll serves an organisation until nobody waits any more.
func (s *Store) askAll(org string, batch []*asking) {
	for len(batch) > 0 {
		s.askTogether(org, batch)
		s.gather.lock.Lock()
		waiting := s.gather.waiting[org]
		n := min(len(waiting), perAccept)
		batch = waiting[:n:n]
		if n == 0 {
			delete(s.gather.waiting, org)
		} else {
			s.gather.waiting[org] = waiting[n:]
		}
		s.gather.lock.Unlock()
	}
}

var errNoAnswer = errors.New("redis: accept: the script answered for other tasks than it was asked about")

func (s *Store) askTogether(org string, batch []*asking) {
	ctx, cancel := context.WithTimeout(context.Background(), acceptTimeout)
	defer cancel()
	p := orgPrefix(org)
	keys := []string{keyReady, p + subPlan, p + subLedger, p + subIDs, p + subDup, p + subAccepting}
	args := []any{s.now().UnixMilli(), p, resumeAfter.Milliseconds(), s.cfg.TextTTL.Milliseconds(), idemTTL.Milliseconds()}
	var sent []*asking
	for _, a := range batch {
		if a.err = a.ctx.Err(); a.err == nil { // else nobody waits for it
			args, sent = append(args, a.args...), append(sent, a)
		}
	}
	if len(sent) > 0 {
		answers, err := acceptScript.Run(ctx, s.rdb, keys, args...).Slice()
		share(sent, answers, err)
	}
	for _, a := range batch {
		close(a.done)
	}
}

// share gives every asking its part of the answer.
func share(sent []*asking, answers []any, err error) {
	for i, a := range sent {
		switch {
		case err != nil:
			a.err = fmt.Errorf("redis: accept: %w", err)
		case len(answers) == 0:
			a.answer = []string{"notready"}
		default:
			a.err = errNoAnswer
			if parts, ok := answers[min(i, len(answers)-1)].([]any); ok && len(answers) == len(sent) {
				a.answer, a.err = redis.NewCmdResult(parts, nil).StringSlice()
			}
		}
	}
}
