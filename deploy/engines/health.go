package engines

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// healthTimeout bounds each check.
const healthTimeout = 2 * time.Second

// Health checks every engine, at once, and says by its name (kafka, clickhouse, redis, blobs, disk) what is wrong with it; nil is well. It
// takes two seconds at most.
func (e *Engines) Health(ctx context.Context) map[string]error {
	checks := map[string]func(context.Context) error{
		"kafka":      e.admin.Ping,
		"clickhouse": e.ClickHouse.Ping,
		"redis":      func(ctx context.Context) error { return e.Redis.Ping(ctx).Err() },
		"blobs":      e.checkBlobs,
		"disk":       func(context.Context) error { return e.DiskFree() },
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var (
		mu     sync.Mutex
		group  sync.WaitGroup
		health = make(map[string]error, len(checks))
	)
	for name, check := range checks {
		group.Go(func() {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			health[name] = err
		})
	}
	group.Wait()
	return health
}

func (e *Engines) checkBlobs(ctx context.Context) error {
	ok, err := e.Blobs.IsAccessible(ctx)
	if err == nil && !ok {
		err = errors.New("the bucket or folder is gone")
	}
	return err
}

// ErrDiskFull says that less is free on the data folder's disk than EARSHOT_DISK_MIN_FREE.
var ErrDiskFull = errors.New("the disk is nearly full")

// DiskFree is ErrDiskFull, with figures, when the data folder's disk has less free than the configured floor. Without an embedded
// engine nothing is stored here and it is nil. It is cheap enough to ask before every upload.
func (e *Engines) DiskFree() error {
	if !e.cfg.embedded() {
		return nil
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(e.cfg.Data, &stat); err != nil {
		return fmt.Errorf("the free space of %s: %w", e.cfg.Data, err)
	}
	free := int64(stat.Bavail) * stat.Bsize
	if free < e.cfg.MinFree {
		return fmt.Errorf("%w: %d MiB are free in %s, EARSHOT_DISK_MIN_FREE asks for %d MiB", ErrDiskFull, free>>20, e.cfg.Data, e.cfg.MinFree>>20)
	}
	return nil
}
