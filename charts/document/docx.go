package document

import (
	"fmt"
	"io"
	"strings"

	"github.com/gomutex/godocx"
	"github.com/gomutex/godocx/docx"
	"github.com/gomutex/godocx/wml/ctypes"
	"github.com/gomutex/godocx/wml/stypes"

	"earshot/schemas"
)

// Looks. Sizes of text are in points, all else in twips (1/1440 inch).
const (
	font      = "Arial" // everywhere, with Cyrillic, or replaced by one of the same widths
	ink       = "1F2937"
	faint     = "6B7280"
	accent    = "1D4ED8"
	customers = "B45309"
	stripe    = "EEF2FF"
	hair      = "D1D5DB"

	textSize  = 10
	smallSize = 9

	pageWidth = 11906 - 2*margin // of A4, without margins
	margin    = 1134             // 2 cm
	labels    = 3500             // width of the labels of pairs
)

// DOCX writes the document in Office Open XML, on A4, with page numbers. lang is
// as in TXT. Errors are those of out, but for one in the library.
func (c Call) DOCX(out io.Writer, lang string) error {
	w := c.in(lang)
	root, err := godocx.NewDocument()
	if err != nil {
		return fmt.Errorf("document: %w", err)
	}
	p := &page{root}
	p.setUp(w)
	p.title(w)
	for _, s := range w.sections() {
		p.heading(s.title)
		for _, b := range s.blocks {
			p.block(b)
		}
	}
	if err := root.Write(out); err != nil {
		return fmt.Errorf("document: %w", err)
	}
	return nil
}

type page struct{ *docx.RootDoc }

// fill writes a text into a paragraph, its line ends as breaks, and gives its
// runs to style.
func fill(p *docx.Paragraph, text string, style func(*docx.Run)) {
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			p.AddRun().AddBreak(nil)
		}
		style(p.AddText(line).Font(font))
	}
}

func (p *page) title(w *writing) {
	head := p.AddEmptyParagraph()
	head.Spacing(0, 60)
	fill(head, w.words["title"], func(r *docx.Run) { r.Size(20).Bold(true).Color(ink) })
	if name := schemas.Printable(w.Analysis.Task.FileName); name != "" {
		below := p.AddEmptyParagraph()
		below.Spacing(0, 120)
		fill(below, name, func(r *docx.Run) { r.Size(11).Color(faint) })
	}
}

// heading is a heading for readers and for the navigation of Word alike.
func (p *page) heading(title string) {
	h := p.AddEmptyParagraph()
	h.Style("Heading1")
	h.Spacing(320, 100)
	fill(h, title, func(r *docx.Run) { r.Size(13).Bold(true).Color(accent) })
}

func (p *page) small(title string) {
	h := p.AddEmptyParagraph()
	h.Style("Heading2")
	h.Spacing(160, 40)
	fill(h, title, func(r *docx.Run) { r.Size(textSize).Bold(true).Color(ink) })
}

func (p *page) block(b block) {
	if b.text != "" {
		para := p.AddEmptyParagraph()
		para.Spacing(0, 80)
		fill(para, b.text, func(r *docx.Run) { r.Size(textSize).Color(ink) })
	}
	if b.list.title != "" && len(b.list.items)+len(b.pairs) > 0 {
		p.small(b.list.title)
	}
	if len(b.pairs) > 0 {
		t := p.grid(labels, pageWidth-labels)
		for _, pair := range b.pairs {
			row := t.AddRow()
			cell(row, labels, pair[0], func(r *docx.Run) { r.Size(textSize).Color(faint) })
			cell(row, pageWidth-labels, pair[1], func(r *docx.Run) { r.Size(textSize).Color(ink) })
		}
	}
	for _, i := range b.list.items {
		p.item(i)
	}
	if len(b.table) > 0 {
		p.table(b.table)
	}
	for _, t := range b.turns {
		p.turn(t)
	}
}

// item is a point of a list with its quotes below.
func (p *page) item(i item) {
	point := p.AddEmptyParagraph()
	point.Style("ListBullet")
	point.Spacing(40, 20)
	fill(point, i.text, func(r *docx.Run) { r.Size(textSize).Color(ink) })
	for _, proof := range i.proofs {
		quote := p.AddEmptyParagraph()
		quote.Indent(&ctypes.Indent{Left: ptr(500)})
		quote.Spacing(0, 20)
		fill(quote, proof, func(r *docx.Run) { r.Size(smallSize).Italic(true).Color(faint) })
	}
}

// columns of the checklist: question, answer, evidence.
var columns = []int{3900, 1300, pageWidth - 3900 - 1300}

func (p *page) table(rows [][]string) {
	t := p.grid(columns...)
	for i, texts := range rows {
		row := t.AddRow()
		for j, text := range texts {
			c := cell(row, columns[j], text, func(r *docx.Run) {
				switch {
				case i == 0:
					r.Size(textSize).Bold(true).Color(ink)
				case j == 2:
					r.Size(smallSize).Italic(true).Color(faint)
				default:
					r.Size(textSize).Color(ink)
				}
			})
			if i == 0 {
				c.BackgroundColor(stripe)
			}
		}
	}
}

// grid is a table of fixed columns with hairlines between its rows.
func (p *page) grid(widths ...int) *docx.Table {
	t := p.AddTable()
	sum := 0
	for _, w := range widths {
		t.Grid(uint64(w))
		sum += w
	}
	t.Width(sum, stypes.TableWidthDxa)
	t.Layout(stypes.TableLayoutFixed)
	t.CellMargin(twips(50), twips(0), twips(50), twips(120))
	return t
}

func cell(row *docx.Row, width int, text string, style func(*docx.Run)) *docx.Cell {
	c := row.AddCell().Width(width, stypes.TableWidthDxa)
	c.Borders(nil, nil, ctypes.NewCellBorder(stypes.BorderStyleSingle, hair, "0", 4), nil, nil, nil, nil, nil)
	para := c.AddEmptyPara()
	para.Spacing(0, 0)
	fill(para, text, style)
	return c
}

// turn is one turn of the conversation: time, speaker, words.
func (p *page) turn(t turn) {
	para := p.AddEmptyParagraph()
	para.Indent(&ctypes.Indent{Left: ptr(850), Hanging: ptr(uint64(850))})
	para.Spacing(0, 80)
	fill(para, t.at+"\t", func(r *docx.Run) { r.Size(smallSize).Color(faint) })
	color := accent
	if t.role != schemas.RoleOperator {
		color = customers
	}
	fill(para, t.speaker+": ", func(r *docx.Run) { r.Size(textSize).Bold(true).Color(color) })
	fill(para, t.text, func(r *docx.Run) { r.Size(textSize).Color(ink) })
}

func twips(n int) *ctypes.TableWidth { return ctypes.NewTableWidth(n, stypes.TableWidthDxa) }

func ptr[T any](v T) *T { return &v }

// Parts of the package that godocx has no words for.
const (
	footerPart = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:ftr xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:p><w:pPr><w:jc w:val="right"/></w:pPr>` +
		`<w:r><w:rPr><w:rFonts w:ascii="` + font + `" w:hAnsi="` + font + `" w:cs="` + font + `"/><w:color w:val="` + faint + `"/><w:sz w:val="16"/></w:rPr><w:t xml:space="preserve">%s </w:t></w:r>` +
		`<w:fldSimple w:instr=" PAGE "><w:r><w:rPr><w:rFonts w:ascii="` + font + `" w:hAnsi="` + font + `"/><w:color w:val="` + faint + `"/><w:sz w:val="16"/></w:rPr><w:t>1</w:t></w:r></w:fldSimple></w:p></w:ftr>`
	propertiesPart = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<dc:title>%s %d</dc:title><dc:creator>Earshot</dc:creator><dcterms:created xsi:type="dcterms:W3CDTF">%s</dcterms:created></cp:coreProperties>`
	footerType     = "application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"
	footerRelation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer"
)

// setUp sets the page, its footer, the language for the spelling checker and
// what Word shows as the document's properties.
func (p *page) setUp(w *writing) {
	id := "rIdFooter"
	p.FileMap.Store("word/footer1.xml", []byte(fmt.Sprintf(footerPart, w.words["page"])))
	p.FileMap.Store("docProps/core.xml", []byte(fmt.Sprintf(propertiesPart, w.words["title"], w.Analysis.Task.ID, w.Analysis.CreatedAt.UTC().Format("2006-01-02T15:04:05Z"))))
	p.Document.DocRels.Relationships = append(p.Document.DocRels.Relationships, &docx.Relationship{ID: id, Type: footerRelation, Target: "footer1.xml"})
	p.ContentType.Override = append(p.ContentType.Override, docx.Override{PartName: "/word/footer1.xml", ContentType: footerType})
	p.Document.Body.SectPr = &ctypes.SectionProp{
		FooterReference: &ctypes.FooterReference{Type: stypes.HdrFtrDefault, ID: id},
		PageSize:        &ctypes.PageSize{Width: ptr(uint64(11906)), Height: ptr(uint64(16838))},
		PageMargin:      &ctypes.PageMargin{Left: ptr(margin), Right: ptr(margin), Top: ptr(margin), Bottom: ptr(margin), Header: ptr(500), Footer: ptr(500), Gutter: ptr(0)},
	}
	if lang := w.Analysis.Language; len(lang) == 2 && p.DocStyles.DocDefaults != nil && p.DocStyles.DocDefaults.RunProp != nil {
		d := p.DocStyles.DocDefaults
		d.RunProp.RunProp.Lang = &ctypes.Lang{Val: &lang}
	}
}
