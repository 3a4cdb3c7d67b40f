package chdb

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// statement is what has to be known of an SQL text to run it on behalf of an HTTP client.
type statement struct {
	text   string // without a trailing semicolon; of an INSERT with data, only up to the data
	verb   string // the first keyword, upper case
	format string // of the FORMAT clause, "" without one; "Values" for INSERT ... VALUES
	data   int    // where an INSERT's data begins in the text that was parsed, -1 when it has none
	infile int    // where "FROM INFILE" goes in text to take the data from a file instead
}

// parseStatement reads the outline of one SQL statement. It refuses several statements in one text, which ClickHouse's HTTP
// interface refuses too but chDB would run, and the clauses that make chDB's client side read or write local files.
func parseStatement(sql string) (statement, error) {
	st := statement{data: -1, infile: -1}
	var prev, beforePrev string
	depth, end, settingsAt := 0, 0, -1
	for lex := (lexer{sql: sql}); ; {
		tok := lex.next()
		word := strings.ToUpper(tok.text)
		if tok.kind == tokenEnd || (tok.text == ";" && depth == 0) {
			if tok.kind != tokenEnd && lex.next().kind != tokenEnd {
				return st, exceptionf(codeSyntaxError, "SYNTAX_ERROR", "Multi-statements are not allowed over HTTP: send one statement per request.")
			}
			st.text = sql[:end]
			return st, nil
		}
		isName := prev == "." || prev == "INTO" || (prev == "TABLE" && beforePrev == "INTO")
		switch {
		case tok.text == "(":
			depth++
		case tok.text == ")":
			depth--
		case tok.kind != tokenWord || depth > 0:
		case st.verb == "":
			st.verb = word
		case isName && word != "FUNCTION" && word != "TABLE" && word != "OUTFILE":
			word = "" // the table's name, whatever it is called
		case word == "OUTFILE" && prev == "INTO", word == "INFILE" && prev == "FROM":
			return st, exceptionf(codeIntoOutfile, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP.")
		case word == "SETTINGS":
			settingsAt = tok.start
		case word == "FORMAT":
			ahead := lex
			name := ahead.next()
			if name.kind != tokenWord {
				break
			}
			if st.verb == "INSERT" {
				return st.withData(sql, name.text, settingsAt, tok.start, name.end), nil
			}
			if endsFormat(ahead.next()) && !wantsOperand[prev] { // else it is a column of that name
				st.format, tok.end, lex = name.text, name.end, ahead
			}
		case word == "VALUES" && st.verb == "INSERT":
			return st.withData(sql, "Values", settingsAt, tok.start, tok.end), nil
		}
		if tok.kind == tokenWord && st.verb == "INSERT" && depth == 0 && (word == "SELECT" || word == "WITH") {
			st.verb = "INSERT SELECT" // what follows is a query: its FORMAT and VALUES are no data
		}
		beforePrev, prev, end = prev, word, tok.end
	}
}

// wantsOperand are the tokens behind which FORMAT is a column's name and not the clause.
var wantsOperand = map[string]bool{
	"": true, ",": true, "(": true, "[": true, "=": true, "<": true, ">": true, "+": true, "-": true, "/": true, "%": true, "|": true, ".": true, ":": true,
	"SELECT": true, "DISTINCT": true, "BY": true, "WHERE": true, "PREWHERE": true, "HAVING": true, "AND": true, "OR": true, "NOT": true, "AS": true,
	"ON": true, "FROM": true, "JOIN": true, "IN": true, "LIKE": true, "ILIKE": true, "BETWEEN": true, "LIMIT": true, "USING": true,
}

func endsFormat(t token) bool {
	return t.kind == tokenEnd || t.text == ";" || strings.EqualFold(t.text, "SETTINGS")
}

// withData completes an INSERT whose data starts behind position end; head is where its FORMAT or VALUES clause starts.
func (st statement) withData(sql, format string, settingsAt, head, end int) statement {
	st.text = strings.TrimRight(sql[:head], " \t\r\n")
	st.format, st.infile = format, len(st.text)
	if settingsAt >= 0 {
		st.infile = settingsAt
	}
	// As ClickHouse's parser does: blanks, a semicolon, and one line end belong to the clause, all else is data.
	for end < len(sql) && strings.IndexByte(" \t\f;", sql[end]) >= 0 {
		end++
	}
	if end < len(sql) && sql[end] == '\r' {
		end++
	}
	if end < len(sql) && sql[end] == '\n' {
		end++
	}
	st.data = end
	return st
}

// fromFile is the INSERT with its data taken from a file, in the format of the statement.
func (st statement) fromFile(path string) string {
	return st.text[:st.infile] + " FROM INFILE " + quoteString(path) + " " + st.text[st.infile:] + " FORMAT " + st.format
}

// streamable reports whether the statement is a query whose rows may be handed out while it runs.
func (st statement) streamable() bool {
	return st.verb == "SELECT" || st.verb == "WITH"
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenOther // quoted text, numbers, punctuation
)

type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// lexer cuts SQL into tokens as ClickHouse's does (src/Parsers/Lexer.cpp), as far as strings, blanks and comments go. Text that does not
// end (an open quote) is one token up to the end; the engine itself reports it. What must not depend on the two being one (the rights of an
// account) is decided on the engine's own writing of a statement, see Server.rewrite.
type lexer struct {
	sql string
	pos int
}

func (l *lexer) next() token {
	l.skipBlank()
	start := l.pos
	if start >= len(l.sql) {
		return token{kind: tokenEnd, start: start, end: start}
	}
	kind := tokenOther
	switch c := l.sql[start]; {
	case isWordByte(c):
		for l.pos < len(l.sql) && (isWordByte(l.sql[l.pos]) || l.sql[l.pos] == '$') {
			l.pos++
		}
		if c >= '0' && c <= '9' && l.pos < len(l.sql) && l.sql[l.pos] == '.' { // of "1." the dot leads to no name
			l.pos++
			break
		}
		kind = tokenWord
	case c == '\'' || c == '"' || c == '`':
		l.skipQuoted(c)
	case c == '$':
		l.skipHeredoc()
	case c >= utf8.RuneSelf:
		l.skipRune()
	default:
		l.pos++
	}
	return token{kind: kind, text: l.sql[start:l.pos], start: start, end: l.pos}
}

func (l *lexer) skipBlank() {
	for l.pos < len(l.sql) {
		rest := l.sql[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v\x00", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			l.skipPast(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			l.skipComment()
		default:
			r, size := utf8.DecodeRuneInString(rest)
			if !unicode.IsSpace(r) && !strings.ContainsRune(moreBlanks, r) {
				return
			}
			l.pos += size
		}
	}
}

// moreBlanks are blanks to ClickHouse, which are none to Unicode.
const moreBlanks = "\u180e\u200b\u200c\u200d\u2060\ufeff"

// skipComment passes a block comment; ClickHouse's nest.
func (l *lexer) skipComment() {
	depth := 0
	for l.pos < len(l.sql) {
		switch rest := l.sql[l.pos:]; {
		case strings.HasPrefix(rest, "/*"):
			depth, l.pos = depth+1, l.pos+2
		case strings.HasPrefix(rest, "*/"):
			depth, l.pos = depth-1, l.pos+2
			if depth == 0 {
				return
			}
		default:
			l.pos++
		}
	}
}

func (l *lexer) skipPast(rest, mark string) {
	if i := strings.Index(rest, mark); i >= 0 {
		l.pos += i + len(mark)
		return
	}
	l.pos = len(l.sql)
}

func (l *lexer) skipQuoted(quote byte) {
	for l.pos++; l.pos < len(l.sql); l.pos++ {
		switch l.sql[l.pos] {
		case '\\':
			l.pos++
		case quote: // a doubled quote reads as two quoted texts side by side, which is as good here
			l.pos++
			return
		}
	}
	l.pos = len(l.sql)
}

// skipRune passes a character beyond ASCII, with all up to its end when it opens a quotation as text processors make them. Nothing is escaped in those.
func (l *lexer) skipRune() {
	r, size := utf8.DecodeRuneInString(l.sql[l.pos:])
	l.pos += size
	switch r {
	case '\u2018':
		l.skipPast(l.sql[l.pos:], "\u2019")
	case '\u201c':
		l.skipPast(l.sql[l.pos:], "\u201d")
	}
}

// skipHeredoc passes $tag$ text $tag$; a lone dollar is one token.
func (l *lexer) skipHeredoc() {
	rest := l.sql[l.pos:]
	close := strings.IndexByte(rest[1:], '$')
	if close < 0 || strings.IndexFunc(rest[1:close+1], func(r rune) bool { return r > 127 || !isWordByte(byte(r)) }) >= 0 {
		l.pos++
		return
	}
	tag := rest[:close+2]
	if !strings.Contains(rest[len(tag):], tag) {
		l.pos++
		return
	}
	l.pos += len(tag)
	l.skipPast(l.sql[l.pos:], tag)
}

func isWordByte(c byte) bool {
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}
