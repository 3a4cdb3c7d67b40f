package pdf

import (
	"bytes"
	"encoding/json"

	"github.com/chromedp/chromedp"
	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

func init() { api.DisableConfigDir() } // it would make a folder in the user's home

// contentsIDs are the ids whose page number the page wants to show.
const contentsIDs = `[...document.querySelectorAll("span.page[data-for]")].slice(0, 10000).map(e => e.dataset.for)`

// fill shows the page numbers in the contents.
func (t *tab) fill(numbers map[string]int) error {
	object, err := json.Marshal(numbers)
	if err != nil {
		return err
	}
	_, err = chromedp.Run(t.ctx, chromedp.Evaluate[bool](`(numbers => {
	for (const e of document.querySelectorAll("span.page[data-for]")) e.textContent = numbers[e.dataset.for] ?? "";
	return true;
})(`+string(object)+`)`))
	return err
}

// pageNumbers are the pages, from 1, on which the elements with those ids stand.
// Chromium keeps a named destination for every id that a link of the page leads
// to; an id without one, or with other letters than ASCII, is left out.
func pageNumbers(document []byte, ids []string) (map[string]int, error) {
	file, err := api.ReadContext(bytes.NewReader(document), model.NewDefaultConfiguration())
	if err != nil {
		return nil, err
	}
	catalog, err := file.Catalog()
	if err != nil {
		return nil, err
	}
	destinations, err := file.DereferenceDict(catalog["Dests"])
	if err != nil {
		return nil, err
	}
	numbers := make(map[string]int, len(ids))
	for _, id := range ids {
		place, err := file.DereferenceArray(destinations[id])
		if err != nil || len(place) == 0 {
			continue
		}
		sheet, ok := place[0].(types.IndirectRef)
		if !ok {
			continue
		}
		number, err := file.PageNumber(sheet.ObjectNumber.Value())
		if err != nil {
			return nil, err
		}
		numbers[id] = number
	}
	return numbers, nil
}
