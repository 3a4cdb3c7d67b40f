package chdb

import (
	"errors"
	"strings"
	"testing"
)

func TestParseStatement(t *testing.T) {
	for _, c := range []struct {
		sql                string
		verb, format, data string // data "-": none
		text               string // what is left to run; "" for the whole
	}{
		{"SELECT 1", "SELECT", "", "-", ""},
		{" -- a\n# b\n/* c /* d */ e */ select 1 ; -- end", "SELECT", "", "-", " -- a\n# b\n/* c /* d */ e */ select 1"},
		{"SELECT ';', `;`, \";\", 'it''s;', 'a\\';', $x$;$x$ FORMAT JSON;", "SELECT", "JSON", "-", "SELECT ';', `;`, \";\", 'it''s;', 'a\\';', $x$;$x$ FORMAT JSON"},
		{"SELECT * FROM t FORMAT CSVWithNames SETTINGS max_threads=1", "SELECT", "CSVWithNames", "-", ""},
		{"SELECT format FROM t", "SELECT", "", "-", ""},
		{"SELECT a FROM t ORDER BY format DESC", "SELECT", "", "-", ""},
		{"SELECT a AS format", "SELECT", "", "-", ""},
		{"SELECT (SELECT 1 FORMAT x)", "SELECT", "", "-", ""},
		{"WITH 1 AS x SELECT x FORMAT Native", "WITH", "Native", "-", ""},
		{"INSERT INTO t (a, b) FORMAT Native\n\x01;\n\x02", "INSERT", "Native", "\x01;\n\x02", "INSERT INTO t (a, b)"},
		{"INSERT INTO t FORMAT CSV;\r\n\n1", "INSERT", "CSV", "\n1", "INSERT INTO t"},
		{"INSERT INTO t(a)VALUES(1);(2)", "INSERT", "Values", "(1);(2)", "INSERT INTO t(a)"},
		{"insert into table format format tsv", "INSERT", "tsv", "", "insert into table format"},
		{"INSERT INTO d.values VALUES (1)", "INSERT", "Values", "(1)", "INSERT INTO d.values"},
		{"INSERT INTO t SELECT 1 FORMAT TSV", "INSERT SELECT", "TSV", "-", ""},
		{"INSERT INTO t WITH 1 AS values SELECT values", "INSERT SELECT", "", "-", ""},
		{"SELECT 1 // ;\n, \u2018;'\u2019, \u201c;\"\u201d, a$b, $a$;$a$\u00a0FORMAT\u3000JSON\ufeff;", "SELECT", "JSON", "-", "SELECT 1 // ;\n, \u2018;'\u2019, \u201c;\"\u201d, a$b, $a$;$a$\u00a0FORMAT\u3000JSON"},
		{"SELECT 1. FORMAT JSON", "SELECT", "JSON", "-", ""},
		{"SELECT t.1.format FROM t", "SELECT", "", "-", ""},
		{"SELECT 'open", "SELECT", "", "-", ""},
		{"", "", "", "-", ""},
	} {
		st, err := parseStatement(c.sql)
		if err != nil {
			t.Errorf("%q: %v", c.sql, err)
			continue
		}
		data := "-"
		if st.data >= 0 {
			data = c.sql[st.data:]
		}
		if c.text == "" {
			c.text = c.sql
		}
		if st.verb != c.verb || st.format != c.format || data != c.data || st.text != c.text {
			t.Errorf("%q: got %+v with data %q", c.sql, st, data)
		}
	}
}

func TestStatementsThatAreRefused(t *testing.T) {
	for sql, code := range map[string]int{
		"SELECT 1; SELECT 2":                   codeSyntaxError,
		"SELECT ';'; DROP TABLE t":             codeSyntaxError,
		"SELECT 1 INTO OUTFILE '/x'":           codeIntoOutfile,
		"SELECT 1 into/**/outfile '/x'":        codeIntoOutfile,
		"INSERT INTO t FROM INFILE '/x'":       codeIntoOutfile,
		"INSERT INTO t(a) from infile '/x'":    codeIntoOutfile,
		"EXPLAIN SELECT 1 INTO OUTFILE '/x'":   codeIntoOutfile,
		"SELECT 1 FORMAT TSV INTO OUTFILE 'x'": codeIntoOutfile,

		"SELECT 1. INTO OUTFILE '/x'":                   codeIntoOutfile,
		"SELECT \u2018 ' \u2019 INTO OUTFILE '/x' -- '": codeIntoOutfile,
		"SELECT 1 INTO\u00a0OUTFILE '/x'":               codeIntoOutfile,
		"SELECT 1 // '\nINTO OUTFILE '/x'":              codeIntoOutfile,
		"SELECT 1 AS a$b$ INTO OUTFILE '/x' -- $b$":     codeIntoOutfile,
	} {
		var ex *Exception
		if _, err := parseStatement(sql); !errors.As(err, &ex) || ex.Code != code {
			t.Errorf("%q: got %v", sql, err)
		}
	}
}

func TestDataComesFromAFile(t *testing.T) {
	for sql, want := range map[string]string{
		"INSERT INTO t (a) FORMAT CSV\n1":                       "INSERT INTO t (a) FROM INFILE '/p'  FORMAT CSV",
		"INSERT INTO t SETTINGS a='x', b=1 FORMAT Native\n\x00": "INSERT INTO t  FROM INFILE '/p' SETTINGS a='x', b=1 FORMAT Native",
		"INSERT INTO t VALUES (1)":                              "INSERT INTO t FROM INFILE '/p'  FORMAT Values",
	} {
		st, err := parseStatement(sql)
		if err != nil || st.fromFile("/p") != want {
			t.Errorf("%q: got %q, %v", sql, st.fromFile("/p"), err)
		}
	}
}

func FuzzParseStatement(f *testing.F) {
	for _, sql := range []string{"SELECT 1; -- x", "INSERT INTO t SETTINGS a=1 FORMAT CSV\n1", "/* /* $a$ ' \" `", "SELECT $$;$$ FORMAT", "INSERT INTO `a;b`.\"c\" VALUES"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		st, err := parseStatement(sql)
		if err != nil {
			return
		}
		if !strings.HasPrefix(sql, st.text) || st.data > len(sql) {
			t.Errorf("%q: %+v", sql, st)
		}
		if st.data >= 0 && (st.infile < 0 || st.infile > len(st.text)) {
			t.Errorf("%q: %+v", sql, st)
		}
	})
}
