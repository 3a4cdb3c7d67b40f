package chdb_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"earshot/deploy/engines/chdb"
)

// The account for BI tools reads the views it was given, through them the tables
// of others, and nothing else, whatever it asks for.
func TestTheReaderReadsItsViewsOnly(t *testing.T) {
	server := start(t, chdb.Options{User: "bi", Password: "secret", Readable: []string{"view of t", "t_all"},
		Limits: map[string]uint64{"max_execution_time": 1, "max_result_rows": 100, "max_rows_to_read": 50_000, "max_memory_usage": 10_000_000}})
	defer stop(t, server)
	defer http.DefaultClient.CloseIdleConnections()
	conn := connect(t, options(server))
	mustExec(t, conn, "CREATE TABLE t (a UInt64, s String) ENGINE = ReplacingMergeTree ORDER BY a", "INSERT INTO t SELECT number, 'x' FROM numbers(40000)",
		"CREATE VIEW `view of t` (a UInt64 COMMENT 'a number') DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT a FROM t FINAL SETTINGS do_not_merge_across_partitions_select_final = 1",
		"CREATE VIEW t_all DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT number AS a, repeat('x', 200) AS s FROM numbers(1000000000)",
		"CREATE DATABASE other", "CREATE TABLE other.t (a UInt8) ENGINE = Memory")
	const allowed, denied, frozen = 200, 403, 403
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		name, query, body string
		status            int
		want              string
	}{
		{"its view", "", "SELECT count(), max(a) FROM `view of t`", allowed, "40000\t39999\n"},
		{"its view, as drivers ask", "max_execution_time=30&max_result_rows=0&enable_http_compression=1", "SELECT max(a) FROM `view of t`", allowed, "39999\n"},
		{"what is there", "", "SHOW TABLES", allowed, "t_all\nview of t\n"},
		{"columns and comments", "", "SELECT name, type, comment FROM system.columns WHERE table = 'view of t'", allowed, "a\tUInt64\ta number\n"},
		{"the table", "", "SELECT count() FROM t", denied, "Not enough privileges"},
		{"the table of another database", "", "SELECT count() FROM other.t", denied, "Not enough privileges"},
		{"another database", "database=other", "SELECT 1", denied, "Not enough privileges"},
		{"the table by a function", "", "SELECT * FROM merge('default', '^t$')", 500, "no tables"},
		{"what others ask", "", "SELECT count() FROM system.processes", allowed, "0\n"},
		{"what others ask, by a function", "", "SELECT count() FROM merge('system', '^processes$')", 500, "no tables"},
		{"users", "", "SELECT * FROM system.users", denied, "Not enough privileges"},
		{"a file", "", "SELECT * FROM file('/etc/passwd', 'LineAsString')", denied, ""},
		{"a file by a function", "", "SELECT file('/etc/passwd')", denied, "cannot use the name file"},
		{"a quoted function", "", "SELECT `file`('/etc/passwd')", denied, "cannot use the name file"},
		{"an escaped function", "", `SELECT "fi\x6ce"('/etc/passwd')`, denied, "cannot use the name file"},
		{"a hidden function", "", "SELECT \u2018 ' \u2019, file('/etc/passwd'), \u2018 ' \u2019", denied, "cannot use the name file"},
		{"a function on another line", "", "SELECT 'a\\' -- ',\n', /* */\tfile\n('/etc/passwd')", 400, ""},
		{"a name of two lines", "", "SELECT\n\t'a\\'\\\\' AS `b\\`c`", allowed, "a\\'\\\\\n"},
		{"a function of columns", "", "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS s)", denied, "cannot use the name file"},
		{"a file, explained", "", "EXPLAIN SELECT file('/etc/passwd')", denied, "cannot use the name file"},
		{"a file in other words", "dialect=kusto&allow_experimental_kusto_dialect=1", "print file('/etc/passwd')", denied, "READONLY"},
		{"a name in a text", "", "SELECT 'file(1)' AS file_name", allowed, "file(1)\n"},
		{"a file as a table", "", "SELECT * FROM '/etc/passwd'", denied, "Not enough privileges"},
		{"a file as a quoted table", "", "SELECT * FROM `/etc/passwd`", denied, "Not enough privileges"},
		{"columns of a file", "", "DESCRIBE `/etc/passwd`", denied, "Not enough privileges"},
		{"a URL", "", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", denied, ""},
		{"a program", "", "SELECT * FROM executable('id', 'LineAsString', 's String')", denied, ""},
		{"another server", "", "SELECT * FROM remote('127.0.0.1:1', 'default', 't')", denied, ""},
		{"insert", "", "INSERT INTO t VALUES (9, '')", denied, ""},
		{"create", "", "CREATE TABLE u (a UInt8) ENGINE = Memory", denied, ""},
		{"drop its view", "", "DROP VIEW t_all", denied, ""},
		{"kill", "", "KILL QUERY WHERE 1", denied, "READONLY"},
		{"another role", "", "SET ROLE owner", denied, "READONLY"},
		{"a query in brackets", "", "(SELECT 1) UNION ALL (SELECT 2)", allowed, "1\n2\n"},
		{"a format", "", "SELECT 1 AS a FORMAT JSONEachRow -- FORMAT CSV", allowed, "{\"a\":1}\n"},
		{"a name beyond ASCII", "", "SELECT 1 AS `доля` FORMAT CSVWithNames", allowed, "\"доля\"\n1\n"},
		{"a file in the columns of values", "", "SELECT x FROM values('a String, x String ALIAS file(\\'/etc/passwd\\')', ('a'))", denied, "cannot use the name values"},
		{"a file in columns put together", "", "SELECT x FROM `generateRandom`(concat('a String, x String ALIAS fi', 'le(\\'/etc/passwd\\')')) LIMIT 1", denied, "cannot use the name generaterandom"},
		{"a file in the columns of nothing", "", "SELECT x FROM null('a String, x String ALIAS file(\\'/etc/passwd\\')')", denied, "cannot use the name null"},
		{"SQL in a text", "", "SELECT * FROM eval('SELECT fi' || 'le(\\'/etc/passwd\\')')", denied, "cannot use the name eval"},
		{"columns of SQL in a text", "", "DESCRIBE TABLE eval('SELECT 1')", denied, "cannot use the name eval"},
		{"the table's index", "", "SELECT * FROM mergeTreeIndex('default', 't')", denied, "cannot use the name mergetreeindex"},
		{"numbers and nothing", "", "SELECT coalesce(NULL, number) AS values FROM numbers(3) WHERE number IS NOT NULL AND (number = 2)", allowed, "2\n"},
		{"a text of parts", "", "SELECT format('{}-{}', 'a', 'b')", allowed, "a-b\n"},
		{"settings of the engine", "", "SELECT count() FROM system.settings WHERE name = 'max_threads'", allowed, "1\n"},
		{"a limit of a subquery", "", "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)", frozen, "READONLY"},
		{"readonly of a subquery", "", "SELECT * FROM (SELECT 1 settings\u00a0readonly = 0)", frozen, "READONLY"},
		{"a file to write a schema to", "output_format_schema=" + out, "SELECT 1 AS a FORMAT Protobuf", denied, "READONLY"},
		{"numbers as text", "output_format_json_quote_64bit_integers=1", "SELECT toUInt64(1) AS a FORMAT JSONEachRow", allowed, "{\"a\":\"1\"}\n"},
		{"the table after that", "", "SELECT count() FROM t", denied, "Not enough privileges"},
		{"another role by parameter", "role=owner", "SELECT count() FROM t", denied, "Not enough privileges"},
		{"another role in a row", "", "SET ROLE owner; SELECT count() FROM t", 400, "Multi-statements"},
		{"another user", "", "EXECUTE AS default SELECT count() FROM t", denied, "READONLY"},
		{"writing", "readonly=0", "INSERT INTO t SETTINGS readonly=0 VALUES (9, '')", frozen, ""},
		{"a limit", "", "SELECT 1 SETTINGS max_result_rows = 0", frozen, "READONLY"},
		{"too many rows", "", "SELECT a FROM `view of t`", 500, "TOO_MANY_ROWS"},
		{"too many rows, streamed", "default_format=Native", "SELECT a FROM `view of t`", 500, "TOO_MANY_ROWS"},
		{"fewer rows of its own", "max_result_rows=5", "SELECT a FROM `view of t` LIMIT 10", 500, "TOO_MANY_ROWS"},
		{"too much to read", "", "SELECT count() FROM `view of t` AS x CROSS JOIN `view of t` AS y", 500, "TOO_MANY_ROWS"},
		{"too much memory", "max_rows_to_read=0", "SELECT length(groupArray(s)) FROM (SELECT s FROM t_all LIMIT 50000)", 500, "MEMORY_LIMIT_EXCEEDED"},
		{"too long", "", "SELECT count() FROM (SELECT a FROM `view of t` LIMIT 900) WHERE NOT ignore(sleepEachRow(0.003))", 408, "TIMEOUT_EXCEEDED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, _ := do(t, server, "POST", "bi", "secret", c.query, c.body)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %q", status, body)
			}
		})
	}
	for _, sql := range []string{ // that the engine reads as INTO OUTFILE, and the lexer perhaps not
		"SELECT 1 INTO OUTFILE 'OUT'",
		"SELECT \u2018 ' \u2019 INTO OUTFILE 'OUT' -- '",
		"SELECT 1 AS \u201c ' \u201d INTO OUTFILE 'OUT' -- '",
		"SELECT 1 INTO\u00a0OUTFILE 'OUT'",
		"SELECT 1 INTO\u3000OUTFILE 'OUT'",
		"SELECT 1 INTO // '\n OUTFILE 'OUT'",
		"SELECT 1 // '\n INTO OUTFILE 'OUT'",
		"SELECT $ ' $ a $ ' $ INTO OUTFILE 'OUT' -- '",
		"SELECT 1 AS a$b$ INTO OUTFILE 'OUT' -- $b$",
		"SELECT 1 /* /* */ ' */ INTO OUTFILE 'OUT' -- '",
		"SELECT 1. INTO OUTFILE 'OUT'",
		"SHOW TABLES INTO\u00a0OUTFILE 'OUT'",
		"EXPLAIN SELECT 1 INTO\u00a0OUTFILE 'OUT'",
		"SELECT 1 INTO\u00a0OUTFILE {f:String}",
	} {
		sql = strings.ReplaceAll(sql, "OUT'", out+"'")
		if status, body, _ := do(t, server, "POST", "bi", "secret", "param_f="+url.QueryEscape(out), sql); status == allowed {
			t.Errorf("%s: %d %q", sql, status, body)
		}
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a statement has written a file: %v", err)
	}
	if n := count(t, conn, "t"); n != 40_000 {
		t.Errorf("%d rows", n)
	}
}
