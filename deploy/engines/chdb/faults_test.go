package chdb_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"earshot/deploy/engines/chdb"
)

// A client that leaves half-way must not have half its rows stored.
func TestInsertCutShortStoresNothing(t *testing.T) {
	server := start(t, chdb.Options{})
	defer stop(t, server)
	conn := connect(t, options(server))
	mustExec(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	user, password := server.Account()
	raw, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(raw, "POST /?query=%s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: 1000\r\n\r\n1\n2\n3\n",
		url.QueryEscape("INSERT INTO t FORMAT CSV"), base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	awaitCount(t, server, "system.processes WHERE query LIKE 'INSERT INTO t%'", func(n string) bool { return n == "1\n" })
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	awaitCount(t, server, "system.processes WHERE query LIKE 'INSERT INTO t%'", func(n string) bool { return n == "0\n" })
	if n := count(t, conn, "t"); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

func awaitCount(t *testing.T, server *chdb.Server, from string, ok func(string) bool) {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	user, password := server.Account()
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, n, _ := do(t, server, "POST", user, password, "", "SELECT count() FROM "+from)
		if ok(n) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("count of %s stays %q", from, n)
		}
	}
}

const endless = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))"

func TestTooManyStatementsAreTurnedAway(t *testing.T) {
	server := start(t, chdb.Options{Concurrency: 1})
	defer stop(t, server)
	defer http.DefaultClient.CloseIdleConnections()
	user, password := server.Account()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	turnedAway := make(chan *http.Response, 18)
	for range cap(turnedAway) { // one runs, sixteen wait
		group.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server.Addr(), strings.NewReader(endless))
			if err != nil {
				t.Error(err)
				return
			}
			req.SetBasicAuth(user, password)
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
				turnedAway <- res
			}
		})
	}
	select {
	case res := <-turnedAway:
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("got %d", res.StatusCode)
		}
	case <-ctx.Done():
		t.Error("no statement was turned away")
	}
}

func TestCloseEndsWhatStillRuns(t *testing.T) {
	server := start(t, chdb.Options{})
	user, password := server.Account()
	answered := make(chan string, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+server.Addr(), strings.NewReader(endless))
		if err != nil {
			answered <- err.Error()
			return
		}
		req.SetBasicAuth(user, password)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = res.Body.Close() }()
		line, _ := bufio.NewReader(res.Body).ReadString('\n') // whatever it says, the statement has ended
		answered <- line
	}()
	awaitCount(t, server, "system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'", func(n string) bool { return n == "1\n" })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := server.Close(ctx); err == nil {
		t.Error("Close says nothing of the running statement")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
	<-answered
	http.DefaultClient.CloseIdleConnections()
}
