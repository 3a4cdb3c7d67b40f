package ingest

import (
	"io"
	"strings"
	"unicode/utf8"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // decodes what is not UTF-8
	"github.com/emersion/go-message/textproto"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"earshot/schemas"
)

// mailParts reads the text of one message out of its MIME parts. Attachments
// are passed over, and so is what cannot be decoded: half a message is better
// than none.
type mailParts struct {
	unicode bool // see Mail.Unicode
	parts   int
	size    int
}

// text is that of a part and the parts in it. Errors are 4001 and 4130.
func (p *mailParts) text(h textproto.Header, body io.Reader, depth int) (string, error) {
	if p.parts++; p.parts > maxMailParts || depth > maxMailDepth {
		return "", schemas.Fail(schemas.CodeInvalid, "an e-mail has more than %d parts, or more than %d within each other", maxMailParts, maxMailDepth)
	}
	header := gomessage.Header{Header: h}
	kind, params, err := header.ContentType()
	if err != nil || kind == "" {
		kind = "text/plain"
	}
	switch disposition, _, _ := header.ContentDisposition(); {
	case strings.EqualFold(disposition, "attachment"):
		return "", nil
	case strings.HasPrefix(kind, "multipart/"):
		return p.multipart(kind, textproto.NewMultipartReader(body, params["boundary"]), depth)
	case kind != "text/plain" && kind != "text/html":
		return "", nil
	}
	if p.unicode && identity(h.Get("Content-Transfer-Encoding")) {
		header.SetContentType(kind, map[string]string{"charset": "utf-8"})
	}
	e, err := gomessage.New(header, body)
	if gomessage.IsUnknownEncoding(err) {
		return "", nil
	}
	data, _ := io.ReadAll(io.LimitReader(e.Body, schemas.MaxTextBytes+1)) // what is broken ends where it breaks
	if p.size += len(data); p.size > schemas.MaxTextBytes {
		return "", tooLong(p.size)
	}
	if kind == "text/html" {
		return htmlText(string(data)), nil
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n"), nil
}

func identity(encoding string) bool {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return false
}

// multipart joins the texts of the parts; of alternatives it takes the plain
// one, else the last (the best, RFC 2046 section 5.1.4).
func (p *mailParts) multipart(kind string, parts *textproto.MultipartReader, depth int) (string, error) {
	var all []string
	plain := ""
	for {
		part, err := parts.NextPart()
		if err != nil {
			break // the end, or it breaks off here
		}
		text, err := p.text(part.Header, part, depth+1)
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		all = append(all, text)
		header := gomessage.Header{Header: part.Header}
		if kind, _, _ := header.ContentType(); kind == "text/plain" && plain == "" {
			plain = text
		}
	}
	if kind == "multipart/alternative" && len(all) > 0 {
		if plain != "" {
			return plain, nil
		}
		return all[len(all)-1], nil
	}
	return strings.Join(all, "\n"), nil
}

// lineBreakers begin and end a line.
var lineBreakers = map[atom.Atom]bool{atom.Address: true, atom.Article: true, atom.Blockquote: true, atom.Br: true, atom.Div: true, atom.Dd: true, atom.Dl: true,
	atom.Dt: true, atom.Footer: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Header: true, atom.Hr: true,
	atom.Li: true, atom.Ol: true, atom.P: true, atom.Pre: true, atom.Section: true, atom.Table: true, atom.Tr: true, atom.Ul: true}

// silent elements hold nothing that is read.
var silent = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Title: true, atom.Template: true, atom.Noscript: true}

// htmlText is the text of an HTML page. What stands in a blockquote, which is
// how mail programs quote, begins with ">" as in plain text. It takes tokens, not
// a tree: no nesting is too deep for it.
func htmlText(page string) string {
	t := &htmlWriter{}
	z := html.NewTokenizer(strings.NewReader(page))
	quiet := 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return t.b.String()
		}
		token := z.Token()
		opens, closes := kind == html.StartTagToken, kind == html.EndTagToken
		switch {
		case silent[token.DataAtom]:
			if opens {
				quiet++
			} else if closes && quiet > 0 {
				quiet--
			}
		case quiet > 0:
		case kind == html.TextToken:
			t.words(token.Data)
		case token.DataAtom == atom.Blockquote:
			t.line()
			if opens {
				t.quotes++
			} else if closes && t.quotes > 0 {
				t.quotes--
			}
		case lineBreakers[token.DataAtom]:
			t.line()
			if token.DataAtom == atom.P && closes || token.DataAtom == atom.Br && t.empty {
				t.blank()
			}
			t.empty = token.DataAtom == atom.Br
		case token.DataAtom == atom.Td || token.DataAtom == atom.Th:
			t.space = true
		}
	}
}

// htmlWriter writes words with the spaces and lines that a reader would see.
type htmlWriter struct {
	b      strings.Builder
	quotes int
	inLine bool // something stands in this line
	space  bool // before the next word
	empty  bool // the last tag was a br
}

func (w *htmlWriter) words(text string) {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' || r == '\f' || r == '\u00a0' {
			w.space = true
			i += n
			continue
		}
		if !w.inLine {
			if w.quotes > 0 {
				w.b.WriteString("> ")
			}
			w.inLine, w.space = true, false
		}
		if w.space {
			w.b.WriteByte(' ')
			w.space = false
		}
		w.b.WriteString(text[i : i+n])
		w.empty = false
		i += n
	}
}

func (w *htmlWriter) line() {
	if w.inLine {
		w.b.WriteByte('\n')
	}
	w.inLine, w.space = false, false
}

func (w *htmlWriter) blank() {
	if s := w.b.String(); s != "" && !strings.HasSuffix(s, "\n\n") {
		w.b.WriteByte('\n')
	}
}
