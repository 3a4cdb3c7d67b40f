package engines_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/deploy/config"
	"earshot/deploy/engines"
	"earshot/schemas"
)

// crash is the child process of TestKilledEnginesComeBack: it fills the engines on dir, says so, and waits to be killed.
func crash(dir string) {
	accepted, err := fill(context.Background(), dir)
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("accepted", accepted)
	select {}
}

// fill gives how many of the 1000 records it accepted.
func fill(ctx context.Context, dir string) (accepted int, err error) {
	var cfg engines.Config
	if err := config.Load(&cfg, []string{"EARSHOT_DATA=" + dir}); err != nil {
		return accepted, err
	}
	e, err := engines.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return accepted, err
	}
	if err := e.EnsureTopics(ctx, schemas.Topics); err != nil {
		return accepted, err
	}
	if err := e.EnsureShareGroup(ctx, schemas.GroupAnalyze, 30*time.Second); err != nil {
		return accepted, err
	}
	c, err := e.Kafka(kgo.ConsumeTopics(schemas.TopicText), kgo.ShareGroup(schemas.GroupAnalyze))
	if err != nil {
		return accepted, err
	}
	for i := range 1000 {
		c.Produce(ctx, &kgo.Record{Topic: schemas.TopicText, Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)}, nil)
	}
	if err := c.Flush(ctx); err != nil {
		return accepted, err
	}
	if err := e.ClickHouse.Exec(ctx, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"); err != nil {
		return accepted, err
	}
	if err := e.ClickHouse.Exec(ctx, "INSERT INTO t SELECT number FROM numbers(1000)"); err != nil {
		return accepted, err
	}
	// Accept three quarters and wait until the file has them.
	for accepted < 750 {
		c.PollRecords(ctx, 50).EachRecord(func(r *kgo.Record) {
			r.Ack(kgo.AckAccept)
			accepted++
		})
	}
	if err := c.FlushAcks(ctx); err != nil {
		return accepted, err
	}
	for before := 0; ; time.Sleep(200 * time.Millisecond) {
		info, err := os.Stat(dir + "/kafka-share-groups.json")
		if err != nil {
			continue
		}
		if before++; before > 10 && time.Since(info.ModTime()) > 2*time.Second {
			return accepted, nil
		}
	}
}

func TestKilledEnginesComeBack(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "CRASH_TEST_DIR="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var accepted int
	if _, scanErr := fmt.Sscanf(line, "accepted %d", &accepted); err != nil || scanErr != nil {
		t.Fatalf("the child said %q, %v", line, err)
	}
	left := 1000 - accepted
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child was not killed")
	}

	e := open(t, load(t, dir))
	defer shut(t, e)
	if err := e.EnsureShareGroup(t.Context(), schemas.GroupAnalyze, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	var n uint64
	if err := e.ClickHouse.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil || n != 1000 {
		t.Errorf("ClickHouse has %d rows, %v", n, err)
	}
	c := client(t, e, kgo.ConsumeTopics(schemas.TopicText), kgo.ShareGroup(schemas.GroupAnalyze))
	defer c.Close()
	// At least what was not accepted comes; at most what lay between that and the file's offsets.
	got := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for quiet := 0; quiet < 3; {
		poll, stop := context.WithTimeout(ctx, time.Second)
		before := len(got)
		c.PollFetches(poll).EachRecord(func(r *kgo.Record) {
			got[string(r.Value)]++
			r.Ack(kgo.AckAccept)
		})
		stop()
		if len(got) == before && before >= left {
			quiet++
		}
		if ctx.Err() != nil {
			t.Fatalf("%d records came", len(got))
		}
	}
	if len(got) >= 1000 {
		t.Errorf("%d records came again: the progress of the share group was lost", len(got))
	}
	t.Logf("%d of 1000 records came after the crash, %d had not been accepted", len(got), left)
}
