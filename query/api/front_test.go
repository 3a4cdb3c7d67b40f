package api

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// Nobody without a valid token makes the server hold a large body: it is answered
// unread where its length is told, and cut off where it is not.
func TestBodiesOfStrangersAreSmall(t *testing.T) {
	x := newTenant(t)
	head := func(path, token, more string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + more + "\r\n\r\n"
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d", n) }
	body := func(n int) string { return `{"unknown":"` + strings.Repeat("x", n-14) + `"}` }
	inChunks := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, body(n)) }
	begun := strings.Repeat("x", 10<<10) // the library wants 8 KB before it asks us
	const chunks, filter = "Transfer-Encoding: chunked", "/tasks/filter"
	for _, c := range []struct {
		name, request string
		status        int
		told          string
	}{
		{"no token, begun", "POST /tasks/filter HTTP/1.1\r\nHost: x\r\n" + length(strangersBody+1) + "\r\n\r\n" + begun, 401, "4023"},
		{"a bad token, begun", head(filter, x.token+"x", length(strangersBody+1)) + begun, 401, "4012"},
		{"a path of nobody, begun", head("/nowhere", "x", length(strangersBody+1)) + begun, 401, "4012"},
		{"no token, in chunks", "POST /tasks/filter HTTP/1.1\r\nHost: x\r\n" + chunks + "\r\n\r\n" + inChunks(strangersBody+1), 413, "4130"},
		{"a bad token, in chunks", head(filter, "x", chunks), 401, "4012"},
		{"no token, small", "POST /tasks/filter HTTP/1.1\r\nHost: x\r\n" + length(strangersBody) + "\r\n\r\n" + body(strangersBody), 401, "4023"},
		{"login, begun", head("/auth/login", "", length(loginBody+1)) + begun, 413, "4130"},
		{"login by a user, begun", head("/Auth/Login", x.token, length(loginBody+1)) + begun, 413, "4130"},
		{"login, in chunks", head("/auth/login", "", chunks) + inChunks(loginBody+1), 413, "4130"},
		{"login, small", head("/auth/login", "", length(loginBody)) + body(loginBody), 200, "4002"},
		{"a user", head(filter, x.token, length(strangersBody+1)) + body(strangersBody+1), 200, "4001"},
		{"a user, in chunks", head(filter, x.token, chunks) + inChunks(strangersBody+1), 200, "4001"},
		{"a user, too large", head(filter, x.token, length(smallBody+1)) + begun, 413, "4130"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := the.dial(t)
			go func() { _, _ = io.WriteString(conn, c.request) }() // the server may well not read all of it
			got, bodies, _ := answers(t, conn)
			if len(got) != 1 || got[0] != c.status || !strings.Contains(bodies[0], c.told) {
				t.Errorf("answers %v %.300q, want %d with %s", got, bodies, c.status, c.told)
			}
		})
	}
}
