package openapi

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	var pinned struct{ Dependencies map[string]string }
	manifest, err := os.ReadFile("../../deploy/npm/package.json")
	if err == nil {
		err = json.Unmarshal(manifest, &pinned)
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/openapi.yaml": "openapi: 3.1.0",
		"/docs":         `<script src="/docs/page.js">`,
		"/docs/page.js": "SwaggerUIBundle", "/docs/page.css": "body",
		"/docs/swagger-ui.css": ".swagger-ui",
		// deploy/setup/swagger-ui.sh copies the pinned version.
		"/docs/swagger-ui-bundle.js": `"` + pinned.Dependencies["swagger-ui-dist"] + `"`,
	} {
		f, ok := Files()[path]
		content, err := f.Content()
		if !ok || err != nil || !bytes.Contains(content, []byte(want)) || f.Type == "" || len(f.ETag) != 34 {
			t.Errorf("%s: %v, %q, %q, %d bytes without %q", path, err, f.Type, f.ETag, len(content), want)
		}
	}
	if n := len(Files()); n != 6 {
		t.Errorf("%d files are served", n)
	}
	// Everything comes from here.
	for _, name := range []string{"page.html", "page.js", "page.css"} {
		own, err := assets.ReadFile("assets/" + name)
		if err != nil || strings.Contains(string(own), "//cdn") || strings.Contains(string(own), "http") {
			t.Errorf("%s names another host, or %v", name, err)
		}
	}
}

// Where Earshot differs from the original on purpose, its document says so.
func TestTheIntroductionTellsWhatDiffers(t *testing.T) {
	text := strings.Join(strings.Fields(string(Document)), " ")
	for _, want := range []string{
		"HTTP 200 for its codes of 401, 500 and 503 too; here they are real statuses on purpose",
		"count by user, without a valid token by address, and in each process of Earshot by itself",
		"New fields may be added to any answer",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q", want)
		}
	}
}
