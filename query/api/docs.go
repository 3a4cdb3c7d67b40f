package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas/openapi"
)

// docsRoutes serve the OpenAPI document and the page that shows it, without a
// token: they hold nothing of anybody's.
func (a *API) docsRoutes(app *fiber.App) {
	for path := range openapi.Files() {
		app.Get(path, a.docs)
	}
}

// docsPolicy lets the page load and ask this server only.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs answers GET /openapi.yaml, /docs and what the page loads: compressed
// where the client takes gzip, 304 where it has the file already.
func (a *API) docs(c *fiber.Ctx) error {
	f := openapi.Files()[c.Route().Path]
	c.Set(fiber.HeaderETag, f.ETag)
	c.Set(fiber.HeaderCacheControl, "no-cache") // ask again, and be told 304: a new version is seen at once
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	c.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), f.ETag) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, f.Type)
	if c.Request().Header.HasAcceptEncoding("gzip") { // not AcceptsEncodings, which takes no header for yes
		c.Set(fiber.HeaderContentEncoding, "gzip")
		c.Context().Response.SetBodyRaw(f.Gzip)
		return nil
	}
	content, err := f.Content()
	if err != nil {
		return err
	}
	return c.Send(content)
}
