package chdb

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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
var readerSettings = regexp.MustCompile(`^(output_format_\w+|date_time_output_format|session_timezone|join_use_nulls|extremes|max_block_size|max_threads|do_not_merge_across_partitions_select_final)$`)

// limit binds a request of the read-only account: a limit of its own counts only where it is tighter. Any other setting is refused as ClickHouse
// refuses it with readonly=1; it might change how the statement is read.
func (req *request) limit(limits map[string]uint64) error {
	delete(req.settings, "readonly")
	for name := range req.settings {
		if _, limit := limits[name]; !limit && !readerSettings.MatchString(name) {
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

// checkReader refuses what the rights of the read-only account do not rule out: the function file, with which a ClickHouse that is no server reads any
// file of this machine. It looks at the statement as the engine itself writes it, so that no quoting or comment hides a name.
func (s *Server) checkReader(req *request) error {
	if req.data != nil {
		return exceptionf(codeReadonly, "READONLY", "Cannot execute query in readonly mode.")
	}
	session, err := s.sessions.get(&request{})
	if err != nil {
		return err
	}
	res, err := session.run("SELECT formatQuerySingleLine("+quoteString(req.text)+")", "RawBLOB", nil)
	s.sessions.put(session, err == nil)
	if err != nil {
		return err
	}
	defer res.free()
	lex := lexer{sql: string(res.bytes())}
	for tok := lex.next(); tok.kind != tokenEnd; tok = lex.next() {
		if strings.EqualFold(strings.Trim(tok.text, "`\""), "file") {
			return exceptionf(codeAccessDenied, "ACCESS_DENIED", "Not enough privileges: this account cannot use the name file.")
		}
	}
	return nil
}
