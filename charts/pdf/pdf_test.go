package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"earshot/schemas"
)

func TestPrint(t *testing.T) {
	const n = 12
	document, err := printer(t, settings()).Print(t.Context(), sections(n), "ООО «Ромашка» & <b>Ко</b>")
	if err != nil {
		t.Fatal(err)
	}
	sheets := pages(t, document)
	if len(sheets) < 2*n {
		t.Fatalf("%d pages, want two a section and more", len(sheets))
	}
	headings := map[string]int{} // page by heading
	for i, sheet := range sheets {
		if foot := fmt.Sprintf("%d / %d", i+1, len(sheets)); !strings.Contains(sheet, foot) || !strings.Contains(sheet, "ООО «Ромашка» & <b>Ко</b>") {
			t.Errorf("page %d has no foot %q:\n%s", i+1, foot, sheet)
		}
		for _, heading := range regexp.MustCompile(`Раздел \d+: операторы`).FindAllString(sheet, -1) {
			headings[heading] = i + 1
		}
	}
	for i := range n {
		heading := fmt.Sprintf("Раздел %d: операторы", i+1)
		if line := fmt.Sprintf(`(?m)Раздел %d +%d$`, i+1, headings[heading]); !regexp.MustCompile(line).MatchString(sheets[0]) {
			t.Errorf("%q stands on page %d, the contents say otherwise:\n%s", heading, headings[heading], sheets[0])
		}
	}
	if all := strings.Join(sheets, ""); strings.Count(all, "клиент сказал «верните деньги»") != 60*n || strings.Count(all, "График ") != n {
		t.Errorf("some of the text is not in the PDF, or not as text:\n%s", all)
	}
	info := poppler(t, document, "pdfinfo", "-")
	for _, want := range []string{`Title: +Отчёт «Качество» за октябрь`, `Tagged: +yes`, `JavaScript: +no`, `Page size: .*\(A4\)`} {
		if !regexp.MustCompile(want).MatchString(info) {
			t.Errorf("pdfinfo has no %s:\n%s", want, info)
		}
	}
	checkOutline(t, document, headings)
}

// checkOutline compares the bookmarks with the headings, and looks at the language.
func checkOutline(t *testing.T, document []byte, headings map[string]int) {
	t.Helper()
	conf := model.NewDefaultConfiguration()
	marks, err := api.Bookmarks(bytes.NewReader(document), conf)
	if err != nil {
		t.Fatal(err)
	}
	if len(marks) != 1 || marks[0].Title != "Отчёт о качестве" || len(marks[0].Kids) != len(headings) {
		t.Fatalf("bookmarks: %+v", marks)
	}
	for _, mark := range marks[0].Kids {
		if mark.PageFrom != headings[mark.Title] {
			t.Errorf("the bookmark %q leads to page %d, the heading stands on %d", mark.Title, mark.PageFrom, headings[mark.Title])
		}
	}
	file, err := api.ReadContext(bytes.NewReader(document), conf)
	if err != nil {
		t.Fatal(err)
	}
	if catalog, err := file.Catalog(); err != nil || fmt.Sprint(catalog["Lang"]) != "(ru)" {
		t.Errorf("language %v, %v", catalog["Lang"], err)
	}
}

func TestPageIsDrawnForPrint(t *testing.T) {
	document, err := printer(t, settings()).Print(t.Context(), ready(`<p id="p"></p><script>
		p.textContent = "hash=" + location.hash + " width=" + innerWidth + " print=" + matchMedia("print").matches</script>`), "")
	if err != nil {
		t.Fatal(err)
	}
	if text, want := pages(t, document)[0], fmt.Sprintf("hash=#print width=%d print=true", Width); !strings.Contains(text, want) {
		t.Errorf("want %q in %q", want, text)
	}
}

func TestConcurrentPrintsShareOneBrowser(t *testing.T) {
	p := printer(t, settings())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			document, err := p.Print(t.Context(), ready(fmt.Sprintf("<h1>page of %d</h1>", i)), "")
			if err != nil {
				t.Error(err)
			} else if text := pages(t, document); len(text) != 1 || !strings.Contains(text[0], fmt.Sprintf("page of %d", i)) {
				t.Errorf("print %d gave %q", i, text)
			}
		})
	}
	all.Wait()
	if p.browser.printed != 8 {
		t.Errorf("one browser printed %d of 8", p.browser.printed)
	}
}

func TestLimits(t *testing.T) {
	small := settings()
	small.MaxBytes = 4 << 10
	hungry := settings()
	hungry.Memory = 700
	for _, tt := range []struct {
		name string
		cfg  Config
		page []byte
		want string
	}{
		{"large page", settings(), bytes.Repeat([]byte(" "), maxHTML+1), "the page has"},
		{"large PDF", small, sections(3), "EARSHOT_PDF_MAX_BYTES"},
		{"hungry page", hungry, []byte(`<body><script>
			const all = []; setInterval(() => { if (all.length < 40) all.push(new Uint8Array(50 << 20).fill(1)) }, 20)</script>`), "EARSHOT_PDF_MEMORY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := printer(t, tt.cfg).Print(t.Context(), tt.page, "")
			var coded *schemas.Error
			if !errors.As(err, &coded) || coded.Code != schemas.CodeReport || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, final := schemas.RecordFault(err); !final {
				t.Error("it would be tried again and again")
			}
		})
	}
}

func TestUnusedBrowserIsClosed(t *testing.T) {
	folder := browsersFolder(t)
	cfg := settings()
	cfg.Idle = 100 * time.Millisecond
	p := printer(t, cfg)
	for range 2 {
		if _, err := p.Print(t.Context(), ready("x"), ""); err != nil {
			t.Fatal(err)
		}
		gone(t, folder)
	}
}

// A profile lies where the program's other work does, and where Chromium can keep its socket.
func TestProfilesFolder(t *testing.T) {
	system := browsersFolder(t)
	own, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(own, strings.Repeat("l", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(own) })
	for _, tt := range []struct{ name, dir, want string }{
		{"given", own, own},
		{"none given", "", system},
		{"too long", long, system},
		{"as long as can be", filepath.Join(own, strings.Repeat("m", longest-len(own)-len("/")-len("/pdf4294967295"))), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.dir
				if err := os.Mkdir(tt.dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			cfg := settings()
			cfg.Dir = tt.dir
			p := printer(t, cfg)
			if _, err := p.Print(t.Context(), ready("x"), ""); err != nil {
				t.Fatal(err)
			}
			if found, err := filepath.Glob(filepath.Join(tt.want, "pdf*")); err != nil || len(found) != 1 {
				t.Errorf("%s holds %v, %v", tt.want, found, err)
			}
			p.Close()
			if found, err := filepath.Glob(filepath.Join(tt.want, "pdf*")); err != nil || len(found) != 0 {
				t.Errorf("%s holds %v, %v", tt.want, found, err)
			}
		})
	}
}

func TestOldBrowserIsReplaced(t *testing.T) {
	p := printer(t, settings())
	if _, err := p.Print(t.Context(), ready("x"), ""); err != nil {
		t.Fatal(err)
	}
	p.browser.printed = lifetime - 1
	group := p.browser.cmd.Process.Pid
	if _, err := p.Print(t.Context(), ready("x"), ""); err != nil {
		t.Fatal(err)
	}
	if p.browser != nil || len(members(group)) > 0 {
		t.Error("the browser still runs")
	}
}

func TestTooManyWait(t *testing.T) {
	p := printer(t, settings())
	if err := p.turn.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	for range maxWaiting {
		waiting.Go(func() {
			if _, err := p.Print(t.Context(), ready("x"), ""); !errors.Is(err, errClosed) {
				t.Error(err)
			}
		})
	}
	await(t, "the others", func() bool { return p.waiting.Load() == maxWaiting })
	if _, err := p.Print(t.Context(), ready("x"), ""); err == nil || !strings.Contains(err.Error(), "wait for the browser already") {
		t.Error(err)
	}
	p.end()
	waiting.Wait()
	p.turn.Release(1)
}

// BenchmarkPrint prints 40 sections, 100 pages: with a browser that is started for
// it, and with one that runs.
func BenchmarkPrint(b *testing.B) {
	page := sections(40)
	run := func(b *testing.B, after func(p *Printer)) {
		p := printer(b, settings())
		for b.Loop() {
			document, err := p.Print(b.Context(), page, "Acme")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(document))/1e6, "MB-pdf")
			b.ReportMetric(float64(memory(p.browser.cmd.Process.Pid))/1e6, "MB-browser")
			after(p)
		}
	}
	b.Run("cold", func(b *testing.B) { run(b, (*Printer).close) })
	b.Run("warm", func(b *testing.B) { run(b, func(*Printer) {}) })
}
