// Package e2e tests bin/earshot from outside: through its HTTP API, its command
// line, the log, ClickHouse's port and signals. The same tests run against two
// sets of engines, chosen by -engines: "embedded", where the program brings its
// own, and "real", where it is given a real Kafka, a real redis-server and
// ClickHouse's engine in a process of its own.
//
// The plain bin/earshot is tested, without the race detector: under it a start
// takes several times as long, and the kill test is mostly starts. The races
// are looked for by the unit tests.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"earshot/deploy/engines/chdb"
)

const (
	embeddedSet = "embedded"
	realSet     = "real"
)

// root is the repository's folder, from here.
const root = "../.."

var (
	engineSet = flag.String("engines", embeddedSet, "embedded, or real: Kafka, redis-server and ClickHouse's engine in processes of their own")
	program   = flag.String("binary", filepath.Join(root, "bin", "earshot"), "the program under test")
	keep      = flag.Bool("keep", false, "keep the logs of tests that pass, too")
	seed      = flag.Uint64("seed", 0, "of the random moments of the kill test; 0: another one each time")
)

func TestMain(m *testing.M) {
	if os.Getenv(clickHouseDir) != "" {
		if err := serveClickHouse(); err != nil {
			fmt.Fprintln(os.Stderr, "ClickHouse for the tests:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if err := prerequisites(); err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests on the "+*engineSet+" engines cannot run:\n"+err.Error())
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(modelDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// prerequisites names everything that is missing, with the make target that
// brings it. What is missing fails the suite; nothing is skipped.
func prerequisites() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("  "+what))
		}
	}
	installed := func(program string) bool { _, err := exec.LookPath(program); return err == nil }
	_, err := os.Stat(*program)
	need(err == nil, *program+" is missing: run make build")
	_, err = chdb.Locate("")
	need(err == nil, "libchdb.so is missing: run make setup")
	need(installed("chromium"), "chromium is missing: run make setup")
	need(installed("ffmpeg") && installed("ffprobe"), "ffmpeg is missing: run make setup")
	switch *engineSet {
	case embeddedSet:
	case realSet:
		_, err = os.Stat(filepath.Join(root, ".build", "kafka", "libs"))
		need(err == nil, "Kafka is missing: run make engines")
		need(installed("java"), "java is missing: install openjdk-17-jre-headless")
		need(installed("redis-server"), "redis-server is missing: run make setup")
	default:
		need(false, fmt.Sprintf("-engines=%s: there are the sets %s and %s", *engineSet, embeddedSet, realSet))
	}
	return errors.Join(errs...)
}

var modelDir string

// tinyModel is a speech model that says words at random, quickly; everything
// around it is real.
var tinyModel = sync.OnceValues(func() (path string, err error) {
	if modelDir, err = os.MkdirTemp("", "earshot-model-"); err != nil {
		return "", err
	}
	path = filepath.Join(modelDir, "ggml-tiny-random.bin")
	cmd := exec.Command("go", "run", "./processors/transcribe/tinymodel/cmd", "--multilingual", path)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make the tiny model: %w\n%s", err, out)
	}
	return path, nil
})
