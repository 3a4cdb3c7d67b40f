package chdb

import (
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"unsafe"
)

// session is one chDB connection. It runs one statement at a time and is used by one goroutine at a time.
type session struct {
	lib    *library
	handle *connHandle
	id     string // the log_comment of its statements
	key    string // database and settings, see sessionPool
}

// openSession connects to the engine at path; the first one in the process starts the engine with the server
// settings of the config file. chDB says nothing but "no" when that fails.
func openSession(lib *library, path, config string) (*session, error) {
	argv := [][]byte{[]byte("clickhouse\x00"), []byte("--path=" + path + "\x00"), []byte("--config-file=" + config + "\x00")}
	var pin runtime.Pinner
	defer pin.Unpin()
	ptrs := make([]*byte, len(argv))
	for i := range argv {
		ptrs[i] = &argv[i][0]
		pin.Pin(ptrs[i])
	}
	handle := lib.connect(int32(len(ptrs)), &ptrs[0])
	if handle == nil || handle.conn == nil {
		return nil, fmt.Errorf("the embedded ClickHouse cannot open %s: is it in use by another process, unreadable, or is the disk full?", path)
	}
	return &session{lib: lib, handle: handle}, nil
}

// close ends the connection; the last one to close in the process stops the engine.
func (s *session) close() {
	if s.handle != nil {
		s.lib.closeConn(s.handle)
		s.handle = nil
	}
}

// settings of a session, by name.
type settings map[string]string

// configure gives up all rights but a reader's (when asked), selects the database (when named) and applies settings, for the life of the session.
func (s *session) configure(reader bool, database string, set settings) error {
	var sql strings.Builder
	if reader {
		sql.WriteString("SET ROLE " + readerRole + ";")
	}
	if database != "" {
		fmt.Fprintf(&sql, "USE %s;", quoteIdentifier(database))
	}
	names := make([]string, 0, len(set))
	for name := range set {
		if !validName(name) {
			return &Exception{Code: codeUnknownSetting, Message: fmt.Sprintf("Code: %d. DB::Exception: %q is not the name of a setting. (UNKNOWN_SETTING)", codeUnknownSetting, name)}
		}
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		sep := ", "
		if i == 0 {
			sep = "SET "
		}
		fmt.Fprintf(&sql, "%s%s = %s", sep, name, quoteString(set[name]))
	}
	if sql.Len() == 0 {
		return nil
	}
	return s.exec(sql.String())
}

// exec runs a statement whose output is of no interest.
func (s *session) exec(sql string) error {
	res, err := s.run(sql, "Null", nil)
	if err != nil {
		return err
	}
	res.free()
	return nil
}

// run executes sql and holds the whole output, in the named format unless the statement has a FORMAT clause.
// params are bound to the {name:Type} placeholders. The result must be freed.
func (s *session) run(sql, format string, params map[string]string) (*result, error) {
	return s.call(s.lib.query, sql, format, params)
}

type queryFunc = func(conn unsafe.Pointer, sql *byte, sqlLen uintptr, format *byte, formatLen uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) unsafe.Pointer

func (s *session) call(query queryFunc, sql, format string, params map[string]string) (*result, error) {
	// The arrays handed over hold Go pointers, and C reads through them: everything they reach must be pinned.
	var pin runtime.Pinner
	defer pin.Unpin()
	bytes := func(text string) *byte {
		b := append([]byte(text), 0) // the length excludes the NUL; it keeps empty strings addressable
		pin.Pin(&b[0])
		return &b[0]
	}
	n := len(params)
	names, values := make([]*byte, 0, n+1), make([]*byte, 0, n+1)
	nameLens, valueLens := make([]uintptr, 0, n+1), make([]uintptr, 0, n+1)
	for name, value := range params {
		names, nameLens = append(names, bytes(name)), append(nameLens, uintptr(len(name)))
		values, valueLens = append(values, bytes(value)), append(valueLens, uintptr(len(value)))
	}
	// One spare element each: &x[0] of an empty slice would not exist.
	names, values, nameLens, valueLens = names[:n+1], values[:n+1], nameLens[:n+1], valueLens[:n+1]
	ptr := query(s.handle.conn, bytes(sql), uintptr(len(sql)), bytes(format), uintptr(len(format)),
		&names[0], &nameLens[0], &values[0], &valueLens[0], uintptr(n))
	return s.wrap(ptr)
}

func (s *session) wrap(ptr unsafe.Pointer) (*result, error) {
	if ptr == nil {
		return nil, errors.New("the embedded ClickHouse gave no answer")
	}
	if text := cString(s.lib.resultError(ptr)); text != "" {
		s.lib.destroyResult(ptr)
		return nil, newException(text)
	}
	return &result{lib: s.lib, ptr: ptr}, nil
}

// result is one answer of chDB.
type result struct {
	lib *library
	ptr unsafe.Pointer
}

// bytes is the output. It lies in chDB's memory: it is gone after free.
func (r *result) bytes() []byte {
	n := r.lib.resultLength(r.ptr)
	buf := r.lib.resultBuffer(r.ptr)
	if n == 0 || buf == nil {
		return nil
	}
	return unsafe.Slice((*byte)(buf), n)
}

func (r *result) rows() (read, written uint64) {
	return r.lib.rowsRead(r.ptr), r.lib.rowsWritten(r.ptr)
}

func (r *result) free() {
	if r.ptr != nil {
		r.lib.destroyResult(r.ptr)
		r.ptr = nil
	}
}

// stream executes a SELECT and hands each chunk of output to emit while the query runs, so that memory does not grow
// with the result. Only formats without header and footer (Native) may be streamed: chDB writes every chunk as
// a document of its own. The bytes given to emit are gone when it returns.
func (s *session) stream(sql, format string, params map[string]string, emit func([]byte) error) error {
	head, err := s.call(s.lib.streamQuery, sql, format, params)
	if err != nil {
		return err
	}
	defer head.free() // must be freed also when it was cancelled
	for {
		chunk, err := s.wrap(s.lib.streamFetch(s.handle.conn, head.ptr))
		if err != nil {
			return err
		}
		data := chunk.bytes()
		if len(data) == 0 {
			chunk.free()
			return nil
		}
		err = emit(data)
		chunk.free()
		if err != nil {
			s.lib.streamCancel(s.handle.conn, head.ptr)
			return err
		}
	}
}

func cString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

func quoteIdentifier(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

func quoteString(text string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(text) + "'"
}

// validName reports whether name can be the name of a setting or parameter: letters, digits and underscores.
func validName(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for _, c := range []byte(name) {
		if !isWordByte(c) {
			return false
		}
	}
	return true
}
