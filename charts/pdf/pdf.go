// Package pdf prints self-contained HTML pages to PDF with a headless Chromium.
//
//	Print ─► turn: one print at a time ─► browser.go: the one Chromium ─► page.go: set in place, ready, printed
//	                                                                        └─► contents.go: page numbers of the contents
//
// A page says that it is drawn by document.documentElement.dataset.ready = "true"
// and sees the fragment #print in its location. In a list of contents the page
// number of the element with an id is filled into <span class="page" data-for="id">
// where an <a href="#id"> leads to it. The title and the language of the document
// are those of the page; its headings become bookmarks.
package pdf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"earshot/schemas"
)

// Config of the printer.
type Config struct {
	Dir      string        // where browsers keep their profiles; empty, or too long for Chromium: the system's folder for temporary files
	Browser  string        `env:"EARSHOT_CHROMIUM" help:"program that prints reports; empty: chromium, chromium-browser, google-chrome or chrome in PATH"`
	Timeout  time.Duration `env:"EARSHOT_PDF_TIMEOUT" envDefault:"60s" help:"longest time for printing a report; after it the browser is killed and a new one tries once more"`
	Idle     time.Duration `env:"EARSHOT_PDF_IDLE" envDefault:"2m" help:"how long an unused browser is kept"`
	Memory   int           `env:"EARSHOT_PDF_MEMORY" envDefault:"2048" help:"most memory in MB of the browser with all its processes; beyond it is killed"`
	MaxBytes int           `env:"EARSHOT_PDF_MAX_BYTES" envDefault:"67108864" help:"largest PDF in bytes"`
}

// Validate refuses what no report can be printed with.
func (c *Config) Validate() error {
	if c.Timeout < time.Second || c.Idle <= 0 || c.Memory < 256 || c.MaxBytes < 1<<20 {
		return errors.New("EARSHOT_PDF_TIMEOUT is at least 1s, EARSHOT_PDF_IDLE above 0, EARSHOT_PDF_MEMORY at least 256 and EARSHOT_PDF_MAX_BYTES at least 1048576")
	}
	return nil
}

const (
	maxHTML    = 32 << 20 // a report has 3 MB at most
	maxWaiting = 32       // prints that wait for their turn; a report worker brings one
	lifetime   = 100      // prints of one browser: what it leaks goes with it
	attempts   = 2
)

// ErrNoBrowser says that nothing can be printed here until a browser is installed.
var ErrNoBrowser = errors.New("reports are printed to PDF by Chromium, and there is none: apt-get install chromium (or google-chrome), or set EARSHOT_CHROMIUM to the program")

// errFinal is a failure that a new browser would only repeat.
var errFinal = errors.New("a new browser would not help")

// errClosed is what Print says after Close.
var errClosed = errors.New("the printer is closed")

// Printer prints, with one browser that is started when first needed. Its
// methods may be called concurrently.
type Printer struct {
	cfg     Config
	log     *slog.Logger
	life    context.Context // ends with Close
	end     context.CancelFunc
	waiting atomic.Int32
	turn    *semaphore.Weighted // held by who prints and by who closes the browser: the fields below are theirs
	browser *browser            // nil: none runs
	used    time.Time           // when it last printed
	idle    *time.Timer         // nil before the first print
}

// New returns a Printer. No browser is started yet, and none needs to be there.
func New(cfg Config, log *slog.Logger) *Printer {
	p := &Printer{cfg: cfg, log: log, turn: semaphore.NewWeighted(1)}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// Print returns the page as a PDF: A4, with footer and "page / pages" at the foot
// of every page. It waits for its turn, and tries once more with a new browser
// when the first one fails. Its error is a *schemas.Error with CodeReport:
// nobody tries a third time; errors.Is finds ErrNoBrowser in it.
func (p *Printer) Print(ctx context.Context, html []byte, footer string) ([]byte, error) {
	document, err := p.inTurn(ctx, html, footer)
	if errors.Is(err, ErrNoBrowser) {
		return nil, schemas.Because(schemas.CodeReport, err, "the server has no browser to print the PDF with")
	}
	if err != nil {
		return nil, schemas.Because(schemas.CodeReport, err, "the PDF could not be printed")
	}
	return document, nil
}

func (p *Printer) inTurn(ctx context.Context, html []byte, footer string) ([]byte, error) {
	if len(html) > maxHTML {
		return nil, fmt.Errorf("the page has %d bytes, more than the %d that are printed", len(html), maxHTML)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.life, func() { cancel(errClosed) })()
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxWaiting {
		return nil, fmt.Errorf("%d reports wait for the browser already", maxWaiting)
	}
	if err := p.turn.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for the browser: %w", context.Cause(ctx))
	}
	defer p.turn.Release(1)
	if p.life.Err() != nil {
		return nil, errClosed
	}
	for try := 1; ; try++ {
		document, err := p.attempt(ctx, html, footer)
		switch {
		case err == nil:
			p.keep()
			return document, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("printing was called off: %w", context.Cause(ctx))
		case errors.Is(err, ErrNoBrowser), errors.Is(err, errFinal), try == attempts:
			return nil, err
		}
		p.log.Warn("printing a report failed, a new browser tries again", "err", err)
	}
}

// attempt prints with the browser that runs, or starts one. After any failure
// the browser is gone: what state it is in nobody knows.
func (p *Printer) attempt(ctx context.Context, html []byte, footer string) (_ []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.Timeout, fmt.Errorf("the browser took longer than %v", p.cfg.Timeout))
	defer cancel()
	if p.browser != nil && p.browser.ctx.Err() != nil { // it died while nobody printed
		p.close()
	}
	if p.browser == nil {
		if p.browser, err = start(ctx, p.cfg, p.log); err != nil {
			return nil, err
		}
	}
	document, err := p.browser.print(ctx, html, footer, p.cfg)
	if err != nil {
		p.close()
	}
	return document, err
}

// keep leaves the browser to the next print, for a while.
func (p *Printer) keep() {
	if p.browser.printed >= lifetime {
		p.close()
		return
	}
	p.used = time.Now()
	if p.idle == nil {
		p.idle = time.AfterFunc(p.cfg.Idle, p.retire)
	} else {
		p.idle.Reset(p.cfg.Idle)
	}
}

// retire closes a browser that is not used. When a print holds the turn, keep
// sets the clock again after it.
func (p *Printer) retire() {
	if !p.turn.TryAcquire(1) {
		return
	}
	defer p.turn.Release(1)
	if time.Since(p.used) >= p.cfg.Idle {
		p.close()
	}
}

// close ends the browser that runs, if one does. The caller holds the turn.
func (p *Printer) close() {
	if p.browser != nil {
		p.browser.close()
		p.browser = nil
	}
}

// Close calls off what is being printed and ends the browser; Print then fails.
func (p *Printer) Close() {
	p.end()
	_ = p.turn.Acquire(context.Background(), 1) // who prints was called off, and comes back soon
	defer p.turn.Release(1)
	if p.idle != nil {
		p.idle.Stop()
	}
	p.close()
}
