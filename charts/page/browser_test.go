package page

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	pageproto "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"earshot/schemas"
	"earshot/schemas/report"
)

var keep = flag.String("keep", "", "folder to keep pages and their pictures in, to look at")

func htmlOf(t testing.TB, r report.Report, lang string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, lang); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// browser is a real Chromium without a screen.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium (deploy/setup/apt.sh installs it): %v", err)
	}
	return ctx
}

// layout is what is asked of a page that has been drawn.
type layout struct {
	Charts     int      `json:"charts"`
	Empty      []string `json:"empty"`      // charts without anything drawn
	Overlaps   []string `json:"overlaps"`   // parts that lie over each other
	Sticking   []string `json:"sticking"`   // parts that stick out of the window
	Scroll     int      `json:"scroll"`     // how far the page can be moved sideways
	Print      bool     `json:"print"`      // it is drawn for paper
	Folded     int      `json:"folded"`     // tables that are closed
	Background string   `json:"background"` // colour of the paper
	Hacked     bool     `json:"hacked"`
	Texts      int      `json:"texts"`  // that can be selected
	Fading     int      `json:"fading"` // what is still coming into view
}

const look = `(() => {
  const boxes = [...document.querySelectorAll("header, nav, section, body > footer")], name = e => e.id || e.tagName;
  const parts = [...document.querySelectorAll("h2, h3, .whole, details, .scroll, .cases, .advice, blockquote")].filter(e => e.getClientRects().length && !e.closest("details:not([open]) .scroll"));
  const over = [];
  const cross = (a, b) => { const x = a.getBoundingClientRect(), y = b.getBoundingClientRect(); return x.bottom > y.top + 1 && y.bottom > x.top + 1 && x.right > y.left + 1 && y.right > x.left + 1; };
  for (const list of [boxes, parts]) list.forEach((a, i) => list.slice(i + 1).forEach(b => { if (!a.contains(b) && !b.contains(a) && cross(a, b)) over.push(name(a) + " / " + name(b)); }));
  const width = document.documentElement.clientWidth;
  const charts = [...document.querySelectorAll(".chart")], paper = getComputedStyle(document.body).backgroundColor;
  const inked = color => color && color !== "none" && color !== "transparent" && color !== "rgba(0, 0, 0, 0)" && color !== paper;
  const blank = c => {
    const s = c.querySelector("svg"), box = c.getBoundingClientRect(), at = s && s.getBoundingClientRect();
    return !s || at.height < 80 || at.bottom > box.bottom + 1 || at.right > box.right + 1 || s.querySelectorAll("text").length < 2 ||
      [...s.querySelectorAll("path")].filter(p => inked(getComputedStyle(p).fill) || inked(getComputedStyle(p).stroke)).length < 2;
  };
  return { charts: charts.length, empty: charts.filter(blank).map(name), overlaps: over,
    sticking: parts.concat(charts, [...document.querySelectorAll("svg, p, li")]).filter(e => !e.closest(".scroll") && e.getBoundingClientRect().right > width + 1).map(e => name(e) + " " + e.className),
    scroll: document.documentElement.scrollWidth - width, print: document.documentElement.classList.contains("print"),
    folded: document.querySelectorAll("details:not([open])").length, background: getComputedStyle(document.body).backgroundColor, hacked: "hacked" in window, texts: document.querySelectorAll("svg text").length,
    fading: document.querySelectorAll("svg text[opacity], svg text[fill-opacity]").length };
})()`

// watch collects what a page complains of and what it asks for.
func watch(t *testing.T, ctx context.Context) func() (complaints, requests []string) {
	t.Helper()
	var mu sync.Mutex
	var complaints, requests []string
	err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, fmt.Sprintf("%+v %+v", e.ExceptionDetails, e.ExceptionDetails.Exception))
		case *runtime.EventConsoleAPICalled:
			for _, a := range e.Args {
				complaints = append(complaints, string(a.Value)+a.Description)
			}
		case *log.EventEntryAdded:
			complaints = append(complaints, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			requests = append(requests, e.Request.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() ([]string, []string) {
		mu.Lock()
		defer mu.Unlock()
		return complaints, requests
	}
}

// window is how a page is looked at.
type window struct {
	name     string
	width    int64
	dark     bool
	fragment string
	media    string
}

// paper is the width of a sheet less its margins, in CSS pixels.
const paper = 697

var windows = []window{{name: "screen", width: 1280}, {name: "phone", width: 390}, {name: "dark", width: 1280, dark: true}, {name: "print", width: 1280, dark: true, fragment: "#print"}, {name: "media", width: paper, media: "print"}}

// ready resolves when the charts are drawn.
const ready = `new Promise(done => {
  const look = () => { if (document.documentElement.dataset.ready === "true") { watch.disconnect(); done(true); } };
  const watch = new MutationObserver(look);
  watch.observe(document.documentElement, { attributes: true });
  look();
})`

// open shows a page in the window and looks at it.
func (win window) open(t *testing.T, ctx context.Context, address, picture string) (l layout) {
	t.Helper()
	scheme := "light"
	if win.dark {
		scheme = "dark"
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: win.width, Height: 900, DeviceScaleFactor: 1})
	check(err)
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: win.media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	check(err)
	check(chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(address+win.fragment)))
	_, err = chromedp.Run(ctx, chromedp.Evaluate[bool](ready, chromedp.EvalAwaitPromise))
	check(err)
	l, err = chromedp.Run(ctx, chromedp.Evaluate[layout](look))
	check(err)
	if *keep != "" { // to be looked at by a person
		beyond := true
		shot, err := chromedp.Call(ctx, pageproto.CaptureScreenshot, pageproto.CaptureScreenshotParams{CaptureBeyondViewport: &beyond})
		check(err)
		check(os.WriteFile(filepath.Join(*keep, picture+".png"), shot.Data, 0o600))
	}
	return l
}

// Whoever prints the page from the browser's menu gets paper too: light, all tables open, charts whole and their text selectable.
func TestPrintedFromTheMenu(t *testing.T) {
	ctx, end := chromedp.NewContext(browser(t))
	defer end()
	dir := t.TempDir()
	file, pdf := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.pdf")
	if err := os.WriteFile(file, htmlOf(t, sampleOf(schemas.ReportBusiness, "full"), "ru"), 0o600); err != nil {
		t.Fatal(err)
	}
	windows[2].open(t, ctx, (&url.URL{Scheme: "file", Path: file}).String(), "before-printing")
	// The browser does not wait: what is drawn when the event is over is what is printed.
	fading, err := chromedp.Run(ctx, chromedp.Evaluate[int](`dispatchEvent(new Event("beforeprint")), document.querySelectorAll("svg text[opacity], svg text[fill-opacity]").length`))
	if err != nil || fading > 0 {
		t.Errorf("%d texts are still coming into view (%v)", fading, err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`dispatchEvent(new Event("afterprint"))`)); err != nil {
		t.Fatal(err)
	}
	yes := true
	printed, err := chromedp.Call(ctx, pageproto.PrintToPDF, pageproto.PrintToPDFParams{PreferCSSPageSize: &yes, PrintBackground: &yes, GenerateDocumentOutline: &yes, GenerateTaggedPDF: &yes})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pdf, printed.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	if *keep != "" {
		_ = os.WriteFile(filepath.Join(*keep, "page.pdf"), printed.Data, 0o600)
	}
	content, err := exec.CommandContext(ctx, "pdftotext", "-layout", pdf, "-").CombinedOutput()
	if err != nil {
		t.Fatalf("pdftotext (deploy/setup/apt.sh installs it): %v\n%s", err, content)
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(string(content), "\u00a0", " ")), " ")
	// A chart's axis, its labels, a table that was closed, the last line.
	for _, want := range []string{"Бизнес-отчёт", "31 окт.", "Предложение (50,0%): 305", "Знакомство: 1 000", "Решено (1 082)", "31.10.2025", "earshot.transcripts 0:99120"} {
		if !strings.Contains(text, want) {
			t.Errorf("the paper lacks %q", want)
		}
	}
	after, err := chromedp.Run(ctx, chromedp.Evaluate[layout](look))
	if err != nil || after.Print || after.Folded == 0 || len(after.Empty) > 0 {
		t.Errorf("after printing it is %+v, %v", after, err)
	}
}

func TestBrowser(t *testing.T) {
	ctx := browser(t)
	for _, c := range []struct {
		kind, variant, lang string
		charts              int
	}{
		{schemas.ReportStandard, "full", "en", 19}, {schemas.ReportStandard, "many", "ru", 19}, {schemas.ReportStandard, "hostile", "en", 16}, {schemas.ReportStandard, "one", "ru", 8},
		{schemas.ReportStandard, "empty", "ru", 0}, {schemas.ReportBusiness, "full", "ru", 15}, {schemas.ReportBusiness, "full", "en", 15}, {schemas.ReportBusiness, "single", "en", 13}, {schemas.ReportBusiness, "hostile", "ru", 15},
		{schemas.ReportDaily, "full", "ru", 6}, {schemas.ReportDaily, "hostile", "en", 6},
	} {
		t.Run(fmt.Sprint(c.kind, c.variant, c.lang), func(t *testing.T) {
			ctx, end := chromedp.NewContext(ctx)
			defer end()
			ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
			defer cancel()
			name := fmt.Sprintf("%s-%s-%s", c.kind, c.variant, c.lang)
			file := filepath.Join(t.TempDir(), name+".html")
			content := htmlOf(t, sampleOf(c.kind, c.variant), c.lang)
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			seen := watch(t, ctx)
			if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
				t.Fatal(err)
			}
			address := (&url.URL{Scheme: "file", Path: file}).String()
			for _, win := range windows {
				t.Run(win.name, func(t *testing.T) {
					l := win.open(t, ctx, address, name+"-"+win.name)
					paper := win.fragment != "" || win.media != ""
					if l.Charts != c.charts || len(l.Empty) > 0 || c.charts > 0 && l.Texts < 20 {
						t.Errorf("%d charts with %d texts, %v are empty", l.Charts, l.Texts, l.Empty)
					}
					if len(l.Overlaps) > 0 || len(l.Sticking) > 0 || l.Scroll > 0 {
						t.Errorf("overlaps %v, stick out %v, %d pixels to the side", l.Overlaps, l.Sticking, l.Scroll)
					}
					if l.Fading > 0 {
						t.Errorf("%d texts are not there yet when the page is ready", l.Fading)
					}
					if l.Print != paper || (l.Folded == 0) != paper {
						t.Errorf("print is %v, %d tables are closed", l.Print, l.Folded)
					}
					if light := l.Background == "rgb(255, 255, 255)"; light != (paper || !win.dark) {
						t.Errorf("the background is %s", l.Background)
					}
					if l.Hacked {
						t.Error("a name became a script")
					}
				})
			}
			complaints, requests := seen()
			if len(complaints) > 0 {
				t.Errorf("the browser complains: %q", complaints)
			}
			for _, r := range requests {
				if r != address && r != "about:blank" {
					t.Errorf("asked for %s", r)
				}
			}
			if len(requests) < len(windows) {
				t.Errorf("watched %d requests only", len(requests))
			}
		})
	}
}
