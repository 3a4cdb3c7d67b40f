package pdf

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestPrint(t *testing.T) {
	p := printer(t, settings())
	for range 2 {
		begin := time.Now()
		document, err := p.Print(t.Context(), sections(10), "Отчёт <b>&")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("took", time.Since(begin), len(document), memory(p.browser.cmd.Process.Pid)>>20)
		os.WriteFile("/tmp/n/print.pdf", document, 0o600)
	}
	fmt.Println(len(members(p.browser.cmd.Process.Pid)))
}
