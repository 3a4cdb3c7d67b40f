// Package openapi holds the description of the HTTP API, and the page that
// shows it. The package conform beside it holds answers against it.
package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
)

// Document is the OpenAPI 3.1 document of the Transcripto API, in YAML.
//
//go:embed transcripto.yaml
var Document []byte

// assets are swagger-ui of npm, compressed as deploy/setup/swagger-ui.sh leaves
// them, and our own page around it. They are committed, so that the program
// builds without npm.
//
//go:embed assets
var assets embed.FS

// File is what is served under one name.
type File struct {
	Type string // media type
	ETag string // of the content, quoted
	Gzip []byte // the content, compressed
}

// Files are the document and its page by path: /openapi.yaml, /docs and what it
// loads from /docs/.
var Files = sync.OnceValue(func() map[string]File {
	files := map[string]File{"/openapi.yaml": newFile("application/yaml", Document)}
	entries, err := assets.ReadDir("assets")
	if err != nil {
		panic(err) // embedded: cannot fail after the test passed
	}
	for _, e := range entries {
		data, err := assets.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		name, compressed := strings.CutSuffix(e.Name(), ".gz")
		kind := map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}[path.Ext(name)]
		switch {
		case kind == "":
			continue // a licence
		case compressed:
			files["/docs/"+name] = File{kind, etag(data), data}
		case name == "page.html":
			files["/docs"] = newFile(kind, data)
		default:
			files["/docs/"+name] = newFile(kind, data)
		}
	}
	return files
})

func newFile(kind string, content []byte) File {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("compress in memory: %v", err))
	}
	return File{kind, etag(content), b.Bytes()}
}

func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// Content is the file as it was before it was compressed.
func (f File) Content() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(f.Gzip))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
