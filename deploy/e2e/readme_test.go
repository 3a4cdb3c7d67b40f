package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The README's configuration table is the program's own.
func TestReadmeListsEveryVariable(t *testing.T) {
	want, err := exec.Command(*program, "validate", "--markdown").Output()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "<!-- configuration: bin/earshot validate --markdown -->\n")
	got, _, closed := strings.Cut(rest, "<!-- end of configuration -->")
	if !found || !closed || got != string(want) {
		t.Errorf("the configuration table of README.md is not what `bin/earshot validate --markdown` prints; paste this:\n%s", want)
	}
}
