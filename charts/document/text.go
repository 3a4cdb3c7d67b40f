package document

import (
	"bufio"
	"io"
	"strings"
)

// TXT writes the document as plain text in UTF-8, lines ended by "\n". lang is a
// BCP 47 tag; English unless it begins with "ru". Errors are those of out.
func (c Call) TXT(out io.Writer, lang string) error {
	w := c.in(lang)
	b := bufio.NewWriter(out)
	t := &text{b}
	t.heading(w.words["title"], "=")
	for _, s := range w.sections() {
		t.line("")
		t.heading(s.title, "-")
		for _, block := range s.blocks {
			t.block(block)
		}
	}
	return b.Flush() // keeps the first error of all writes
}

type text struct{ b *bufio.Writer }

func (t *text) line(parts ...string) {
	for _, p := range parts {
		_, _ = t.b.WriteString(p) // Flush tells
	}
	_ = t.b.WriteByte('\n')
}

func (t *text) heading(title, ruler string) {
	t.line(title)
	t.line(strings.Repeat(ruler, len([]rune(title))))
}

func (t *text) block(b block) {
	if b.text != "" {
		t.line(b.text)
	}
	if b.list.title != "" && len(b.list.items)+len(b.pairs) > 0 {
		t.line(b.list.title, ":")
	}
	for _, p := range b.pairs {
		t.line(p[0], ": ", p[1])
	}
	for _, i := range b.list.items {
		t.line("- ", i.text)
		for _, p := range i.proofs {
			t.line("  ", p)
		}
	}
	for i, row := range b.table {
		if i == 0 {
			continue // its names would tell nothing here
		}
		t.line("- ", row[0], " ", row[1])
		for quote := range strings.SplitSeq(row[2], "\n") {
			if quote != "" {
				t.line("  ", quote)
			}
		}
	}
	for _, turn := range b.turns {
		if turn.at != "" {
			turn.at = "[" + turn.at + "] "
		}
		t.line(turn.at, turn.speaker, ": ", strings.ReplaceAll(turn.text, "\n", "\n    "))
	}
}
