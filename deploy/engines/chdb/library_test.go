package chdb

import (
	"os"
	"path"
	"strings"
	"testing"
)

// TestNpmPathIsWhatSetupInstalls: each processor's package is the one that the
// install script names.
func TestNpmPathIsWhatSetupInstalls(t *testing.T) {
	script, err := os.ReadFile("../../setup/npm.sh")
	if err != nil {
		t.Fatal(err)
	}
	for arch, machine := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		if want := machine + ") chdb=@chdb/" + path.Base(npmPath(arch)) + " ;;"; !strings.Contains(string(script), want) {
			t.Errorf("deploy/setup/npm.sh has no %q", want)
		}
	}
}
