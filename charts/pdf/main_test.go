package pdf

import (
	"bytes"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are the defaults, with less patience.
func settings() Config {
	return Config{Timeout: time.Minute, Idle: time.Minute, Memory: 2048, MaxBytes: 64 << 20}
}

func printer(t testing.TB, cfg Config) *Printer {
	t.Helper()
	p := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(p.Close)
	return p
}

// sections makes a page as reports are: contents, headings, a drawing and a
// table in each section. Every section begins a page and fills two.
func sections(n int) []byte {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html lang="ru"><head><meta charset="utf-8"><title>Отчёт «Качество» за октябрь</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<style>body{font-family:"DejaVu Sans",sans-serif;font-size:11pt;margin:0} section{break-before:page} .page{float:right;min-width:3em;text-align:right}</style></head><body>
<h1>Отчёт о качестве</h1><nav class="contents"><ol>`)
	for i := range n {
		fmt.Fprintf(&b, `<li><a href="#s%d">Раздел %d</a><span class="page" data-for="s%d"></span></li>`, i, i+1, i)
	}
	b.WriteString(`</ol></nav>`)
	for i := range n {
		fmt.Fprintf(&b, `<section><h2 id="s%d">Раздел %d: операторы</h2><svg width="600" height="300"><rect width="500" height="200" fill="#369"/><text x="20" y="250">График %d</text></svg>`, i, i+1, i+1)
		for r := range 60 {
			fmt.Fprintf(&b, `<p>Строка %d: клиент сказал «верните деньги».</p>`, r)
		}
		b.WriteString(`</section>`)
	}
	b.WriteString(`<script>requestAnimationFrame(() => { document.documentElement.dataset.hash = location.hash; document.documentElement.dataset.ready = "true" })</script></body></html>`)
	return []byte(b.String())
}

// ready is a page with a body that is drawn at once.
func ready(body string) []byte {
	return []byte(`<!DOCTYPE html><html lang="en" data-ready="true"><head><meta charset="utf-8"><title>t</title></head><body>` + body + `</body></html>`)
}

// poppler runs one of its programs on a document.
func poppler(t testing.TB, document []byte, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(document)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// pages are the words of a document, a string a page.
func pages(t testing.TB, document []byte) []string {
	t.Helper()
	text := poppler(t, document, "pdftotext", "-layout", "-", "-")
	return strings.Split(strings.TrimSuffix(text, "\f"), "\f")
}
