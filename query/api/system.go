package api

import (
	"context"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"earshot/schemas"
)

// dictionaries answers GET /dictionaries: the terms behind the *_id filters,
// in the language of the request.
func (a *API) dictionaries(c *fiber.Ctx) error {
	lang := callOf(c.Context()).lang
	all := make(map[string][]term, len(schemas.Dictionaries))
	for name, list := range schemas.Dictionaries {
		for _, t := range list {
			all[name] = append(all[name], term{t.ID, t.Key, t.Name(lang)})
		}
	}
	return a.ok(c, struct {
		Success      bool              `json:"success"`
		ErrorCode    int64             `json:"error_code"`
		Dictionaries map[string][]term `json:"dictionaries"`
	}{true, 0, all})
}

// healthz says that the process lives.
func (a *API) healthz(c *fiber.Ctx) error {
	return a.ok(c, map[string]string{"status": "ok"})
}

type readiness struct {
	Status  string            `json:"status"` // ready or not ready
	Engines map[string]string `json:"engines"`
}

// checkTime bounds a readiness check.
const checkTime = 3 * time.Second

// readyz asks every engine: 200 when all are well, else 503. What is wrong
// stands in the log: the address of an engine is not for everybody.
func (a *API) readyz(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), checkTime)
	defer cancel()
	health := a.Health(ctx)
	all := make(map[string]error, len(health)+1)
	for name, err := range health {
		all[name] = err
	}
	all["state"] = a.Store.Ready(ctx)
	r, status := readiness{"ready", map[string]string{}}, fasthttp.StatusOK
	for name, err := range all {
		r.Engines[name] = "ok"
		if err != nil {
			r.Engines[name], r.Status, status = "down", "not ready", fasthttp.StatusServiceUnavailable
			a.Log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.String("engine", name), slog.Any("error", err))
		}
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	a.write(c.Context(), status, r)
	return nil
}

// metrics answers in Prometheus' text format.
func (a *API) metrics() fiber.Handler {
	serve := fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{}))
	return func(c *fiber.Ctx) error {
		serve(c.Context())
		return nil
	}
}
