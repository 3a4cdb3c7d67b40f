package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libraryName is the file that the npm packages hold.
const libraryName = "libchdb.so"

// npmPath is where `make setup` puts the npm package for a processor (a GOARCH), below the build folder. npm calls amd64 x64.
func npmPath(arch string) string {
	if arch == "amd64" {
		arch = "x64"
	}
	return ".build/npm/node_modules/@chdb/lib-linux-" + arch + "-gnu"
}

// library is the part of chDB's C API (programs/local/chdb.h, 26.7) that is used here. Every result
// that comes back must be given to destroyResult exactly once.
type library struct {
	setSignalHandlers func(enabled int32)
	connect           func(argc int32, argv **byte) *connHandle
	closeConn         func(*connHandle)
	query             func(conn unsafe.Pointer, sql *byte, sqlLen uintptr, format *byte, formatLen uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer
	streamQuery       func(conn unsafe.Pointer, sql *byte, sqlLen uintptr, format *byte, formatLen uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer
	streamFetch       func(conn, result unsafe.Pointer) unsafe.Pointer
	streamCancel      func(conn, result unsafe.Pointer)
	destroyResult     func(result unsafe.Pointer)
	resultBuffer      func(result unsafe.Pointer) unsafe.Pointer
	resultLength      func(result unsafe.Pointer) uintptr
	resultError       func(result unsafe.Pointer) unsafe.Pointer
	rowsRead          func(result unsafe.Pointer) uint64
	rowsWritten       func(result unsafe.Pointer) uint64
}

// connHandle is chDB's `chdb_connection *`: a pointer to an opaque pointer.
type connHandle struct{ conn unsafe.Pointer }

// Locate finds libchdb.so: at explicit when it is not empty, else next to the executable, in the
// npm folder that `make setup` fills (below the executable's folder or its parent, and below the working
// directory or any of its parents), in /usr/local/lib and in /usr/lib. The error names the make target.
func Locate(explicit string) (string, error) {
	if explicit != "" {
		if _, err := os.Stat(explicit); err != nil {
			return "", fmt.Errorf("EARSHOT_LIBCHDB should name libchdb.so, but %s cannot be read (without the variable, the one that `make setup` installs is used): %w", explicit, err)
		}
		return explicit, nil
	}
	for _, dir := range searchDirs() {
		path := filepath.Join(dir, libraryName)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", errors.New("libchdb.so (the embedded ClickHouse) was not found: run `make setup`, or set EARSHOT_LIBCHDB to its path, " +
		"or set EARSHOT_CLICKHOUSE_URL to use a ClickHouse server")
}

func searchDirs() []string {
	var dirs []string
	npm := npmPath(runtime.GOARCH)
	if exe, err := os.Executable(); err == nil {
		dir := filepath.Dir(exe)
		dirs = append(dirs, dir, filepath.Join(dir, npm), filepath.Join(dir, "..", npm))
	}
	if dir, err := os.Getwd(); err == nil {
		for ; ; dir = filepath.Dir(dir) { // tests run in their package's folder
			dirs = append(dirs, filepath.Join(dir, npm))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return append(dirs, "/usr/local/lib", "/usr/lib")
}

var loaded struct {
	sync.Mutex
	path string
	lib  *library
}

// load opens the shared library once per process: a second dlopen of another copy would put two engines,
// with two allocators and two sets of globals, into one process.
func load(path string) (*library, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if loaded.lib != nil {
		if loaded.path != path {
			return nil, fmt.Errorf("libchdb.so is already loaded from %s; one process holds one copy", loaded.path)
		}
		return loaded.lib, nil
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be loaded (is it the %s/%s build?): %w", path, runtime.GOOS, runtime.GOARCH, err)
	}
	lib := &library{}
	for name, target := range map[string]any{
		"chdb_set_signal_handlers_enabled": &lib.setSignalHandlers,
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_query_with_params_n":         &lib.query,
		"chdb_stream_query_with_params_n":  &lib.streamQuery,
		"chdb_stream_fetch_result":         &lib.streamFetch,
		"chdb_stream_cancel_query":         &lib.streamCancel,
		"chdb_destroy_query_result":        &lib.destroyResult,
		"chdb_result_buffer":               &lib.resultBuffer,
		"chdb_result_length":               &lib.resultLength,
		"chdb_result_error":                &lib.resultError,
		"chdb_result_rows_read":            &lib.rowsRead,
		"chdb_result_rows_written":         &lib.rowsWritten,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("%s is too old: it has no %s (26.7 or later is needed; run `make setup`): %w", path, name, err)
		}
		purego.RegisterFunc(target, symbol)
	}
	// Go's runtime needs SIGSEGV, SIGURG and others for itself; ClickHouse would replace its handlers
	// and turn every nil dereference in Go into a C++ crash report.
	lib.setSignalHandlers(0)
	loaded.path, loaded.lib = path, lib
	return lib, nil
}
