package fetch

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWhatMayBeReached(t *testing.T) {
	var hits int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	t.Setenv("HTTP_PROXY", s.URL)
	t.Setenv("http_proxy", s.URL)
	for _, c := range []struct {
		name, url string
		allow     []string
		redirects int
		refused   bool
		hits      int
	}{
		{"this machine", s.URL, nil, 0, true, 0},
		{"this machine by name", "http://localhost" + port, nil, 0, true, 0},
		{"mapped", "http://[::ffff:127.0.0.1]" + port, nil, 0, true, 0},
		{"through NAT64", "http://[64:ff9b::7f00:1]" + port, nil, 0, true, 0},
		{"the cloud's metadata", "http://169.254.169.254/", nil, 0, true, 0},
		{"a neighbour", "http://10.0.0.1/", []string{"127.0.0.0/8"}, 0, true, 0},
		{"what is allowed", s.URL, []string{"127.0.0.0/8"}, 0, false, 1},
		{"one address that is allowed", s.URL, []string{"127.0.0.1"}, 0, false, 1},
		{"a redirect that is not followed", s.URL + "?to=http://10.0.0.1/", []string{"127.0.0.1"}, 0, false, 1},
		{"a redirect to what is allowed", s.URL + "?to=/", []string{"127.0.0.1"}, 3, false, 2},
		{"a redirect to a neighbour", s.URL + "?to=http://10.0.0.1/", []string{"127.0.0.1"}, 3, true, 1},
		{"a redirect without end", s.URL + "?to=?to=%3Fto=", []string{"127.0.0.1"}, 3, false, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			hits = 0
			client, err := (&Config{Allow: c.allow}).Client(5*time.Second, c.redirects)
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseIdleConnections()
			res, err := client.Get(c.url)
			if err == nil {
				res.Body.Close()
			}
			if errors.Is(err, ErrRefused) != c.refused || hits != c.hits {
				t.Errorf("%v, %d hits", err, hits)
			}
		})
	}
}

func TestRanges(t *testing.T) {
	for text, good := range map[string]bool{"10.0.0.0/8": true, "::1": true, "fd00::/8": true, "10.0.0.0/33": false, "intranet": false, "": false} {
		if err := (&Config{Allow: []string{text}}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, good := range map[string]bool{"https://a.example/x?y=z": true, "http://10.0.0.1:8080": true, "ftp://a.example": false, "https:///x": false,
		"//a.example": false, "https://u:p@a.example": false, "https://a.example/#x": false, "javascript:alert(1)": false, "": false, "https://a\n.example": false} {
		if CheckURL(text) != good {
			t.Errorf("%q", text)
		}
	}
}
