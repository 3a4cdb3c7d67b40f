package chdb

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Merges run in this process, on the cores that requests need too. As threads of a lower priority they take what is left:
// on two busy cores that is the difference between answers in milliseconds and in tens of them.
const (
	mergeThread = "MergeMutate" // as ClickHouse names them; Linux shows 15 bytes of a name
	mergeNice   = 15
	niceEvery   = 2 * time.Second // the engine starts its threads as it needs them
)

// yieldMerges lowers the priority of the engine's merge threads until stop is closed.
func yieldMerges(stop <-chan struct{}, log *slog.Logger) {
	tick := time.NewTicker(niceEvery)
	defer tick.Stop()
	done := map[int]bool{}
	for {
		if err := lowerMerges(done); err != nil {
			log.Warn("the priority of ClickHouse's merges stays as it is", "error", err)
			return
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

func lowerMerges(done map[int]bool) error {
	threads, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		return err
	}
	for _, path := range threads {
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || done[id] {
			continue
		}
		name, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(name), mergeThread) {
			continue // gone, or another's
		}
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, id, mergeNice); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		done[id] = true
	}
	return nil
}
