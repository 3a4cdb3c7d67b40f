package pdf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
	cdpio "github.com/chromedp/cdproto/io"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The sheet: A4 with margins, in inches as the browser counts. The foot holds the
// page number.
const (
	sheetWidth, sheetHeight = 8.27, 11.69
	marginTop, marginSide   = 0.5, 0.5
	marginFoot              = 0.7
)

// Width is how wide a page is drawn, in CSS pixels: the sheet less its margins.
// A page that is wider is made smaller to fit. A page that has margins of its own
// (@page) has these, or its foot lies on the text.
const Width = 697 // (sheetWidth - 2*marginSide) * 96

// print prints one page in a tab of its own, which knows nothing of others.
func (b *browser) print(ctx context.Context, content []byte, footer string, cfg Config) ([]byte, error) {
	ctx, off := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer off(nil)
	stop := context.AfterFunc(ctx, b.kill)
	watching.Go(func() { b.watch(ctx, cfg.Memory, off) })

	b.printed++
	t := &tab{limit: cfg.MaxBytes}
	var free context.CancelFunc
	t.ctx, free = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(func(event any) { t.hear(event, off) }))
	defer free()
	document, err := t.print(content, footer)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		if said := t.complaint.Load(); said != nil {
			err = fmt.Errorf("%w; the page says: %s", err, *said)
		}
		return nil, err
	}
	return document, nil
}

// tab is a page while it is being printed.
type tab struct {
	ctx       context.Context
	limit     int // bytes of the PDF
	complaint atomic.Pointer[string]
}

// hear keeps the first error of the page's scripts, and calls off a page whose
// process died: nothing would ever answer.
func (t *tab) hear(event any, off context.CancelCauseFunc) {
	switch e := event.(type) {
	case *inspector.EventTargetCrashed:
		off(errors.New("the page crashed the browser"))
	case *runtime.EventExceptionThrown:
		said := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
		said = strings.ToValidUTF8(said[:min(len(said), 300)], "")
		t.complaint.CompareAndSwap(nil, &said)
	}
}

func (t *tab) print(content []byte, footer string) ([]byte, error) {
	if err := t.load(content); err != nil {
		return nil, fmt.Errorf("load the page: %w", err)
	}
	if _, err := chromedp.Run(t.ctx, chromedp.Evaluate[bool](untilReady, chromedp.EvalAwaitPromise)); err != nil {
		return nil, fmt.Errorf("the page did not say that it is ready: %w", err)
	}
	document, err := t.toPDF(footer)
	if err != nil {
		return nil, err
	}
	wanted, err := chromedp.Run(t.ctx, chromedp.Evaluate[[]string](contentsIDs))
	if err != nil {
		return nil, fmt.Errorf("look for contents: %w", err)
	}
	if len(wanted) == 0 {
		return document, nil
	}
	// Page numbers are known when the pages are: so it is printed again with them,
	// and a third time where they moved something to another page.
	var shown map[string]int
	for range 2 {
		numbers, err := pageNumbers(document, wanted)
		if err != nil {
			return nil, fmt.Errorf("page numbers for the contents: %w", err)
		}
		if maps.Equal(numbers, shown) {
			break
		}
		shown = numbers
		if err := t.fill(numbers); err != nil {
			return nil, fmt.Errorf("page numbers for the contents: %w", err)
		}
		if document, err = t.toPDF(footer); err != nil {
			return nil, err
		}
	}
	return document, nil
}

// load sets the content in place. It is no file and has no address: so it can
// read no file of this machine either.
func (t *tab) load(content []byte) error {
	if err := chromedp.Do(t.ctx); err != nil { // opens the tab
		return err
	}
	if _, err := chromedp.Call(t.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}}}); err != nil {
		return err
	}
	// A page that draws by its width and by its media is drawn as it will be printed.
	if _, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		return err
	}
	if _, err := chromedp.Call(t.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: Width, Height: 1000, DeviceScaleFactor: 1}); err != nil {
		return err
	}
	if err := chromedp.Do(t.ctx, chromedp.Navigate("about:blank#print")); err != nil {
		return err
	}
	tree, err := chromedp.Call(t.ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(t.ctx, page.SetDocumentContent, page.SetDocumentContentParams{FrameID: tree.FrameTree.Frame.ID, HTML: string(content)})
	return err
}

// untilReady resolves when the page is drawn. It needs no eval, which the page's
// own policy may forbid.
const untilReady = `new Promise(done => {
	const root = document.documentElement;
	const look = () => { if (root.dataset.ready === "true") { watch.disconnect(); done(true); } };
	const watch = new MutationObserver(look);
	watch.observe(root, {attributes: true});
	look();
})`

// toPDF prints the page as it stands.
func (t *tab) toPDF(footer string) (_ []byte, err error) {
	yes, top, side, foot := true, marginTop, marginSide, marginFoot
	printed, err := chromedp.Call(t.ctx, page.PrintToPDF, page.PrintToPDFParams{
		PaperWidth: sheetWidth, PaperHeight: sheetHeight, MarginTop: &top, MarginLeft: &side, MarginRight: &side, MarginBottom: &foot,
		PrintBackground: &yes, GenerateTaggedPDF: &yes, GenerateDocumentOutline: &yes,
		DisplayHeaderFooter: &yes, HeaderTemplate: "<span></span>", FooterTemplate: fmt.Sprintf(footTemplate, html.EscapeString(footer)),
		TransferMode: page.PrintToPDFTransferModeReturnAsStream,
	})
	if err != nil {
		return nil, fmt.Errorf("print: %w", err)
	}
	defer func() {
		if _, closing := chromedp.Call(t.ctx, cdpio.Close, cdpio.CloseParams{Handle: printed.Stream}); err == nil && closing != nil {
			err = fmt.Errorf("print: %w", closing)
		}
	}()
	var document bytes.Buffer
	for {
		part, err := chromedp.Call(t.ctx, cdpio.Read, cdpio.ReadParams{Handle: printed.Stream, Size: 1 << 20})
		if err != nil {
			return nil, fmt.Errorf("read the PDF: %w", err)
		}
		if document.Write(part.Data); document.Len() > t.limit {
			return nil, fmt.Errorf("the PDF is larger than the %d bytes of EARSHOT_PDF_MAX_BYTES: %w", t.limit, errFinal)
		}
		if part.EOF {
			return document.Bytes(), nil
		}
	}
}

// footTemplate is the foot of a page; the browser's own size for it is 0.
const footTemplate = `<div style="font: 8px 'DejaVu Sans', sans-serif; color: #555; width: 100%%; margin: 0 0.5in; display: flex; justify-content: space-between">
<span style="overflow: hidden; white-space: nowrap; text-overflow: ellipsis">%s</span><span style="white-space: nowrap; padding-left: 1em"><span class="pageNumber"></span> / <span class="totalPages"></span></span></div>`
