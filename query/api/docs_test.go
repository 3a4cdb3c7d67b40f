package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"earshot/schemas/openapi"
)

func TestDocs(t *testing.T) {
	for path, f := range openapi.Files() {
		want, err := f.Content()
		if err != nil {
			t.Fatal(err)
		}
		plain := the.get(t, path, "", "Accept-Encoding", "identity")
		if plain.status != 200 || plain.raw != string(want) || plain.header.Get("Content-Encoding") != "" || plain.header.Get("Content-Type") != f.Type {
			t.Errorf("%s: %d, %v, %d bytes of %d", path, plain.status, plain.header, len(plain.raw), len(want))
		}
		if policy := plain.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", path, policy)
		}
		packed := the.get(t, path, "", "Accept-Encoding", "gzip, br") // named, so that the client leaves it packed
		r, err := gzip.NewReader(strings.NewReader(packed.raw))
		if err != nil {
			t.Fatal(path, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) || packed.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s, packed: %d bytes of %d, %v", path, len(got), len(want), err)
		}
		same := the.get(t, path, "", "If-None-Match", `W/"x", `+f.ETag)
		if same.status != http.StatusNotModified || same.raw != "" || same.header.Get("ETag") != f.ETag {
			t.Errorf("%s again: %d %v", path, same.status, same.header)
		}
	}
	the.get(t, "/docs/nothing.js", "").want(t, 404, 4041)
	// Who does not say what it takes, as curl, gets the file as it is.
	conn := the.dial(t)
	write(t, conn, "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if _, bodies, _ := answers(t, conn); len(bodies) != 1 || bodies[0] != string(openapi.Document) {
		t.Errorf("without Accept-Encoding: %.100q", bodies)
	}
}

// Every route is in the document, and every path of the document has a route,
// or is being built.
func TestEveryRouteIsDocumented(t *testing.T) {
	described := contract.Operations()
	routes := append(the.api.mainApp().GetRoutes(true), the.api.uploadApp().GetRoutes(true)...)
	for _, r := range routes {
		switch template := contract.Template(r.Method, r.Path); {
		case r.Method == http.MethodHead || r.Path == "/": // HEAD comes with GET; "/" is the middleware's
		case template == "":
			t.Errorf("%s %s is served and not documented", r.Method, r.Path)
		default:
			delete(described, template)
		}
	}
	being := map[string]bool{}
	for _, n := range seedRows(t, building) {
		being[shape(n.endpoint)] = true
	}
	for endpoint := range described {
		if !being[shape(endpoint)] {
			t.Errorf("%s is documented and not served", endpoint)
		}
	}
}
