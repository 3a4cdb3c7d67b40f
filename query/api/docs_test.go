package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

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

// served are the routes of the API.
func served() (routes []fiber.Route) {
	for _, r := range append(the.api.mainApp().GetRoutes(true), the.api.uploadApp().GetRoutes(true)...) {
		if r.Method != http.MethodHead && r.Path != "/" { // HEAD comes with GET; "/" is the middleware's
			routes = append(routes, r)
		}
	}
	return routes
}

// A route that is added later is in this test too.
func TestEveryEndpointIsAsPublicAsTheDocumentSays(t *testing.T) {
	for _, r := range served() {
		path := pathVariable.ReplaceAllString(r.Path, "1")
		if contract.Public(r.Method, path) {
			continue
		}
		for _, token := range []string{"", "x"} { // whose 4012 is 4023 at /get_file
			if answer := the.send(t, r.Method, path, token, nil); answer.status != http.StatusUnauthorized || answer.at("success") != false {
				t.Errorf("%s %s with token %q answers %d %s", r.Method, path, token, answer.status, answer.raw)
			}
		}
	}
}

var pathVariable = regexp.MustCompile(`:\w+`)

// Every route is in the document, and every path of the document has a route,
// or is being built.
func TestEveryRouteIsDocumented(t *testing.T) {
	described := contract.Operations()
	for _, r := range served() {
		template := contract.Template(r.Method, r.Path)
		if template == "" {
			t.Errorf("%s %s is served and not documented", r.Method, r.Path)
		}
		delete(described, template)
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
