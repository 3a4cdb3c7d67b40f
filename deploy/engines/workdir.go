package engines

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// WorkDir makes a folder below data for this process's uploads and jobs in progress, and removes those of processes that are no longer
// alive: what a killed process left behind belongs to nobody. A folder is alive while its lock is held, which the kernel drops with the process;
// process ids would not do, since containers that share a data folder count theirs apart. release removes the folder.
func WorkDir(data string) (dir string, release func() error, err error) {
	root := filepath.Join(data, "tmp")
	fail := func(err error) (string, func() error, error) {
		return "", nil, fmt.Errorf("folder for work in progress: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fail(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return fail(err)
	}
	for _, e := range entries {
		left := filepath.Join(root, e.Name())
		lock, err := lockFolder(left)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fail(err)
		}
		if err := errors.Join(os.RemoveAll(left), lock.Close()); err != nil {
			return fail(err)
		}
	}
	if dir, err = os.MkdirTemp(root, "w-"); err != nil {
		return fail(err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return fail(err)
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
}

// lockFolder holds a folder until the file it returns is closed.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
