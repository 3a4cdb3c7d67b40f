package chdb_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"earshot/deploy/engines/chdb"
)

func do(t *testing.T, server *chdb.Server, method, user, password, query, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+server.Addr()+"/?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestHTTPAsBIToolsAndCurlUseIt(t *testing.T) {
	server := start(t, chdb.Options{User: "bi", Password: "secret", Readable: []string{"t"}, Limits: map[string]uint64{"max_result_rows": 100}, MaxBody: 1 << 20})
	defer stop(t, server)
	defer http.DefaultClient.CloseIdleConnections()
	user, password := server.Account()
	esc := url.QueryEscape
	for _, c := range []struct {
		name, method, user, password, query, body string
		header                                    []string
		status                                    int
		want                                      string
	}{
		{"nobody", "POST", "", "", "", "SELECT 1", nil, 401, "REQUIRED_PASSWORD"},
		{"wrong password", "POST", user, "wrong", "", "SELECT 1", nil, 403, "AUTHENTICATION_FAILED"},
		{"empty password", "POST", user, "", "", "SELECT 1", nil, 403, "AUTHENTICATION_FAILED"},
		{"headers", "POST", "", "", "", "SELECT 1", []string{"X-ClickHouse-User", user, "X-ClickHouse-Key", password}, 200, "1\n"},
		{"parameters", "POST", "", "", "user=" + user + "&password=" + password, "SELECT 1", nil, 200, "1\n"},
		{"no query", "POST", user, password, "", "", nil, 400, "Empty query"},
		{"create", "POST", user, password, "", "CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a", nil, 200, ""},
		{"insert values", "POST", user, password, "", "INSERT INTO t VALUES (1, 'a;b'), (2, 'c')", nil, 200, ""},
		{"insert CSV in the body", "POST", user, password, "query=" + esc("INSERT INTO t FORMAT CSV"), "3,\"x\ny\"\n4,z\n", nil, 200, ""},
		{"insert JSON behind the statement", "POST", user, password, "", "INSERT INTO t (a, s) SETTINGS max_threads=1 FORMAT JSONEachRow\n{\"a\":5,\"s\":\"j\"}", nil, 200, ""},
		{"insert broken data", "POST", user, password, "", "INSERT INTO t FORMAT CSV\nx,y\n", nil, 400, "CANNOT_PARSE_INPUT"},
		{"insert too much", "POST", user, password, "query=" + esc("INSERT INTO t FORMAT CSV"), strings.Repeat("6,zzzzzzzzzzzz\n", 100_000), nil, 413, "too large"},
		{"insert select", "POST", user, password, "", "INSERT INTO t SELECT number + 100, 'n' FROM numbers(2)", nil, 200, ""},
		{"CSV", "POST", user, password, "default_format=CSV", "SELECT * FROM t WHERE a < 6 ORDER BY a", nil, 200, "1,\"a;b\"\n2,\"c\"\n3,\"x\ny\"\n4,\"z\"\n5,\"j\"\n"},
		{"JSON by GET", "GET", user, password, "query=" + esc("SELECT count() AS n FROM t FORMAT JSON"), "", nil, 200, `"n": 7`},
		{"bound parameter", "POST", user, password, "param_s=" + esc("a;b"), "SELECT a FROM t WHERE s = {s:String}", nil, 200, "1\n"},
		{"DROP by GET", "GET", user, password, "query=" + esc("DROP TABLE t"), "", nil, 403, "READONLY"},
		{"BI reads", "POST", "bi", "secret", "max_block_size=1000&max_result_rows=10", "SELECT count() FROM t", nil, 200, "7\n"},
		{"BI describes", "GET", "bi", "secret", "query=" + esc("DESCRIBE t"), "", nil, 200, "a\tUInt64"},
		{"encoding", "POST", user, password, "", "SELECT 1", []string{"Content-Encoding", "rot13"}, 400, "rot13"},
		{"result too large", "POST", user, password, "default_format=CSV&max_result_bytes=1000", "SELECT * FROM numbers(1000)", nil, 500, "TOO_MANY_ROWS_OR_BYTES"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, header := do(t, server, c.method, c.user, c.password, c.query, c.body, c.header...)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %q %v", status, body, header)
			}
			if status != 200 && header.Get("X-ClickHouse-Exception-Code") == "" {
				t.Error("no X-ClickHouse-Exception-Code")
			}
		})
	}
	if status, body, _ := do(t, server, "GET", "", "", "", ""); status != 200 || body != "Ok.\n" {
		t.Error(status, body)
	}
}
