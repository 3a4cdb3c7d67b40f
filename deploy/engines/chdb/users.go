package chdb

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// readerRole is what the sessions of Options.User may do, and nothing else.
const readerRole = "reader"

// usersTemplate is ClickHouse's users.xml. chDB knows one user, default, who has both roles; a session gives the first one up with SET ROLE.
// What other sessions run is theirs: a session without that role does not see it, and so cannot kill it either.
const usersTemplate = `<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <roles>
        <owner><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></owner>
        <%[1]s><grants>%[2]s</grants></%[1]s>
    </roles>
    <users>
        <default>
            <password></password>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants><query>GRANT owner</query><query>GRANT %[1]s</query></grants>
            <databases><system><processes><filter>has(currentRoles(), 'owner')</filter></processes></system></databases>
        </default>
    </users>
</clickhouse>
`

// writeUsers writes the engine's users and gives the file's path.
func writeUsers(opts Options) (string, error) {
	var grants bytes.Buffer
	for _, name := range opts.Readable {
		grants.WriteString("<query>")
		if err := xml.EscapeText(&grants, []byte("GRANT SELECT ON default."+quoteIdentifier(name))); err != nil {
			return "", err
		}
		grants.WriteString("</query>")
	}
	path := filepath.Join(opts.Dir, "users.xml")
	if err := os.WriteFile(path, fmt.Appendf(nil, usersTemplate, readerRole, grants.String()), 0o600); err != nil {
		return "", fmt.Errorf("the users of the embedded ClickHouse: %w", err)
	}
	return path, nil
}

// readerSettings are the settings that a request of the read-only account may come with, besides its limits: how results look and how FINAL works.
// Each is here by name: among those that begin alike are some that name a file to write (output_format_schema).
var readerSettings = map[string]bool{
	"date_time_output_format": true, "session_timezone": true, "join_use_nulls": true, "extremes": true, "max_block_size": true, "max_threads": true,
	"do_not_merge_across_partitions_select_final": true,

	"output_format_json_quote_64bit_integers": true, "output_format_json_quote_64bit_floats": true, "output_format_json_quote_decimals": true,
	"output_format_json_quote_denormals": true, "output_format_json_escape_forward_slashes": true, "output_format_json_named_tuples_as_objects": true,
	"output_format_json_array_of_rows": true, "output_format_json_validate_utf8": true, "output_format_json_skip_null_value_in_named_tuples": true,
	"output_format_csv_crlf_end_of_line": true, "output_format_csv_serialize_tuple_into_separate_columns": true, "output_format_tsv_crlf_end_of_line": true,
	"output_format_decimal_trailing_zeros": true, "output_format_write_statistics": true, "output_format_parallel_formatting": true,
	"output_format_pretty_color": true, "output_format_pretty_max_rows": true, "output_format_pretty_row_numbers": true,
	"output_format_native_encode_types_in_binary_format": true, "output_format_native_use_flattened_dynamic_and_json_serialization": true,
	"output_format_parquet_string_as_string": true, "output_format_arrow_string_as_string": true, "output_format_arrow_low_cardinality_as_dictionary": true,
}

// limit binds a request of the read-only account: a limit of its own counts only where it is tighter. Any other setting is refused as ClickHouse
// refuses it with readonly=1; it might change how the statement is read.
func (req *request) limit(limits map[string]uint64) error {
	delete(req.settings, "readonly")
	for name := range req.settings {
		if _, limit := limits[name]; !limit && !readerSettings[name] {
			return exceptionf(codeReadonly, "READONLY", fmt.Sprintf("Cannot modify %q setting in readonly mode.", name))
		}
	}
	for name, most := range limits {
		if own, err := strconv.ParseFloat(req.settings[name], 64); err != nil || own <= 0 || own > float64(most) {
			req.settings[name] = strconv.FormatUint(most, 10)
		}
	}
	req.settings["readonly"] = "1"
	return nil
}

// readerVerbs begin the statements of the read-only account; "" is a query in brackets.
var readerVerbs = map[string]bool{"": true, "SELECT": true, "WITH": true, "UNION": true, "INTERSECT": true, "EXCEPT": true, "SHOW": true, "DESCRIBE": true, "EXISTS": true, "EXPLAIN": true}

// readerForbids are the names that no statement of the read-only account may have outside of text, quoted or not.
var readerForbids = map[string]bool{"file": true, "infile": true, "outfile": true, "catboostevaluate": true}

// readerCalls are the table functions that the read-only account may call, and format, which is also a function of text (of the table function the
// account's rights keep it). Each other one is refused by its name: eval runs SQL that it gets as text, values, null and generateRandom take columns from
// text, which may be an ALIAS of file('/etc/passwd'), and such a text may be put together where nobody can look for it.
var readerCalls = map[string]bool{"format": true, "generate_series": true, "generateseries": true, "merge": true, "numbers": true, "numbers_mt": true, "primes": true,
	"view": true, "viewifpermitted": true, "zeros": true, "zeros_mt": true}

// rewrite puts the engine's own writing of a statement of the read-only account into its place, and refuses there what the account's rights do not rule
// out: INTO OUTFILE, and the function file, with which a ClickHouse that is no server reads any file of this machine. What is looked at is what is run:
// no quoting, comment or blank that the engine knows and the lexer does not hides anything.
func (s *Server) rewrite(req *request) error {
	if req.data != nil {
		return exceptionf(codeReadonly, "READONLY", "Cannot execute query in readonly mode.")
	}
	text, err := s.written(req.text)
	if err != nil {
		return err
	}
	if req.statement, err = parseStatement(text); err != nil {
		return err
	}
	if req.data != nil || req.statement.data >= 0 || !readerVerbs[req.verb] {
		return exceptionf(codeReadonly, "READONLY", "Cannot execute query in readonly mode: this account may SELECT, SHOW, DESCRIBE, EXPLAIN and EXISTS.")
	}
	req.settleFormat()
	for lex, before := (lexer{sql: text}), ""; ; {
		tok := lex.next()
		name := strings.ToLower(strings.Trim(tok.text, "`\""))
		ahead := lex
		switch {
		case tok.kind == tokenEnd:
			return nil
		case tok.text[0] >= utf8.RuneSelf: // the engine's writing has none outside of quotes
			return exceptionf(codeSyntaxError, "SYNTAX_ERROR", "Letters beyond ASCII must stand in quotes.")
		case tok.text == "SETTINGS" && before != ".": // those of a subquery are not held against readonly
			return exceptionf(codeReadonly, "READONLY", "Cannot modify settings in readonly mode: this account has none in its statements.")
		case readerForbids[name], s.refused[name] && ahead.next().text == "(":
			return exceptionf(codeAccessDenied, "ACCESS_DENIED", fmt.Sprintf("Not enough privileges: this account cannot use the name %s.", name))
		}
		before = tok.text
	}
}

// written is a statement as the engine writes it, in one line.
func (s *Server) written(sql string) (string, error) {
	return s.ask("SELECT formatQuerySingleLine(" + quoteString(sql) + ")")
}

// refuse finds out which functions the read-only account may not call: the engine's table functions but those of readerCalls, in small letters.
func (s *Server) refuse() error {
	text, err := s.ask("SELECT arrayStringConcat(groupArray(lower(name)), ' ') FROM system.table_functions")
	if err != nil {
		return fmt.Errorf("the embedded ClickHouse does not say which table functions it has: %w", err)
	}
	s.refused = map[string]bool{}
	for name := range strings.FieldsSeq(text) {
		s.refused[name] = !readerCalls[name]
	}
	return nil
}

// ask gives the one text that a statement of ours results in.
func (s *Server) ask(sql string) (string, error) {
	session, err := s.sessions.get(&request{})
	if err != nil {
		return "", err
	}
	res, err := session.run(sql, "RawBLOB", nil)
	s.sessions.put(session, err == nil)
	if err != nil {
		return "", err
	}
	defer res.free()
	return string(res.bytes()), nil
}
