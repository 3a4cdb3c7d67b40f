package state

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

func benchStore(b *testing.B) *Store {
	m := miniredis.RunT(b)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	b.Cleanup(func() { rdb.Close() })
	rdb.Set(context.Background(), keyReady, "e1", 0)
	s := New(rdb, Config{})
	err := s.Apply(context.Background(), schemas.EntityChanged{Org: "org_1", Kind: schemas.KindPlan, ID: "1", Version: 1,
		Data: []byte(`{"start":"2020-01-01T00:00:00Z","end":"2040-01-01T00:00:00Z","limits":{"chat_count":-1}}`)})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func benchTask() schemas.Task {
	code, _ := uuid.NewV7()
	return schemas.Task{Code: code.String(), Org: "org_1", User: 1, Type: schemas.TypeChat, Source: "chat", Processing: "standard",
		Digest: strings.Repeat("a", 64), OperatorName: "Operator 1", CallDate: "2026-01-02", Resource: schemas.ResourceChats, Reserved: 1,
		Idempotency: code.String(), CreatedAt: time.Now()}
}

func BenchmarkAccept(b *testing.B) {
	s := benchStore(b)
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, "Operator: utterance %d of a chat about a payment that went wrong, with %x in it\n", i, i*7919)
	}
	for b.Loop() {
		if _, err := s.Accept(context.Background(), benchTask(), text.String()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTask(b *testing.B) {
	s := benchStore(b)
	task := benchTask()
	if _, err := s.Accept(context.Background(), task, strings.Repeat("Operator: hello, how may I help\n", 50)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Task(context.Background(), "org_1", task.Code); err != nil {
			b.Fatal(err)
		}
	}
}
