package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestItBuildsWithoutNativeParts builds and vets everything as on a machine
// with nothing but Go: no C compiler, no whisper.cpp, no libchdb. Engines do
// not matter to it, so it runs with one set of them only.
func TestItBuildsWithoutNativeParts(t *testing.T) {
	if *engineSet != embeddedSet {
		return
	}
	for _, args := range [][]string{{"build", "-o", os.DevNull, "./..."}, {"vet", "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "CGO_") && !strings.HasPrefix(v, "CC=") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("CGO_ENABLED=0 go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestAMissingLibraryIsNamedWithItsRemedy starts the program where it finds no
// libchdb.so.
func TestAMissingLibraryIsNamedWithItsRemedy(t *testing.T) {
	lonely := filepath.Join(t.TempDir(), "earshot")
	raw, err := os.ReadFile(*program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lonely, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{nil, {"EARSHOT_LIBCHDB=/nowhere/libchdb.so"}} {
		cmd := exec.Command(lonely, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"))
		cmd.Dir, cmd.Env = t.TempDir(), append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "libchdb.so") || !strings.Contains(string(out), "make setup") {
			t.Errorf("with %v it ends with %v and says:\n%s", env, err, out)
		}
	}
}
