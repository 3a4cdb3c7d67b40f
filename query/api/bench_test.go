package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"earshot/schemas"
)

// bench sends one request again and again over kept connections.
func bench(b *testing.B, method, path, token, body string) {
	b.Helper()
	client := &fasthttp.HostClient{Addr: the.addr}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		req.SetRequestURI(the.url + path)
		req.Header.SetMethod(method)
		req.Header.Set("Authorization", "Bearer "+token)
		req.SetBodyString(body)
		for pb.Next() {
			if err := client.Do(req, res); err != nil || res.StatusCode() != 200 || !strings.Contains(string(res.Body()), `"error_code":0`) {
				b.Errorf("%d %s, %v", res.StatusCode(), res.Body(), err)
				return
			}
		}
	})
}

func turnsOfChat(n int) string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf(`Operator: let me look into number %d for you, one moment please\nClient: thank you, I am waiting since yesterday`, i))
	}
	return `{"text":"` + strings.Join(lines, `\n`) + `","operator_name":"Olga"}`
}

func BenchmarkAPI(b *testing.B) {
	plan := schemas.Plans["on_premise"].Subscribe(time.Now())
	x := newTenantWith(b, &plan)
	r := the.post(b, "/add_chat_analysis_task", x.token, turnsOfChat(6))
	code, _ := r.at("task_code").(string)
	b.Run("dictionaries", func(b *testing.B) { bench(b, "GET", "/dictionaries", x.token, "") })
	b.Run("gettask", func(b *testing.B) { bench(b, "GET", "/gettask?task_code="+code, x.token, "") })
	b.Run("chat of 12 turns", func(b *testing.B) {
		bench(b, "POST", "/add_chat_analysis_task", x.token, turnsOfChat(6))
	})
}
