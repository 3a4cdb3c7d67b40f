package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"earshot/deploy/client"
	"earshot/schemas"
)

// code is the error code of a refusal, 0 of success, -1 of any other failure.
func code(err error) schemas.Code {
	var refusal *client.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refusal):
		return schemas.Code(refusal.Code)
	}
	return -1
}

// TestTheSameRequestTwiceIsOneTask sends every create many times at once.
func TestTheSameRequestTwiceIsOneTask(t *testing.T) {
	const times = 12
	s := newStack(t, speech(t)...)
	s.start()
	chats := []map[string]any{newTask(1, false).chat, newTask(2, false).chat}
	calls := [][]byte{tone(3*time.Second, 440), tone(3*time.Second, 550), tone(3*time.Second, 660)}
	tasks := 0

	// A create with a key and one of two contents.
	for what, create := range map[string]func(key string, content int) (string, error){
		"chat": func(key string, content int) (string, error) {
			return s.Chat(t.Context(), chats[content], key)
		},
		"call": func(key string, content int) (string, error) {
			return s.Upload(t.Context(), key+".wav", bytes.NewReader(calls[content]), nil, http.Header{"Idempotency-Key": {key}})
		},
	} {
		codes, errs := atOnce(times, func() (string, error) { return create("same-"+what, 0) })
		for i := range codes {
			if errs[i] != nil || codes[i] == "" || codes[i] != codes[0] {
				t.Errorf("%s: caller %d of %d got %q, %v; the first got %q", what, i+1, times, codes[i], errs[i], codes[0])
			}
		}
		tasks++
		s.completed(tasks, 30*time.Second)
		if later, err := create("same-"+what, 0); err != nil || later != codes[0] {
			t.Errorf("%s: when the task is completed, its key gives %q, %v", what, later, err)
		}
		if _, err := create("same-"+what, 1); code(err) != schemas.CodeKeyReused {
			t.Errorf("%s: the key with other content: %v", what, err)
		}
	}

	// Equal chats are not the same chat: only the key says so.
	one, err1 := s.Chat(t.Context(), chats[0], "another key")
	two, err2 := s.Chat(t.Context(), chats[0], "")
	if err1 != nil || err2 != nil || one == two {
		t.Errorf("without the same key: %q, %v and %q, %v", one, err1, two, err2)
	}
	tasks += 2

	// Equal files are the same call, key or no key.
	_, errs := atOnce(times, func() (string, error) {
		return s.Upload(t.Context(), "file.wav", bytes.NewReader(calls[2]), nil, nil)
	})
	accepted := 0
	for i, err := range errs {
		switch code(err) {
		case 0:
			accepted++
		case schemas.CodeDuplicate:
		default:
			t.Errorf("caller %d of %d with one file: %v", i+1, times, err)
		}
	}
	if accepted != 1 {
		t.Errorf("%d of %d uploads of one file were accepted", accepted, times)
	}
	tasks++
	s.completed(tasks, 30*time.Second)
	if n := s.total(url.Values{"task_type": {"call"}}); n != 2 {
		t.Errorf("there are %d calls", n)
	}
}

// atOnce calls f from n goroutines that begin together.
func atOnce(n int, f func() (string, error)) (codes []string, errs []error) {
	codes, errs = make([]string, n), make([]error, n)
	var group sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-begin
			codes[i], errs[i] = f()
		})
	}
	close(begin)
	group.Wait()
	return codes, errs
}
