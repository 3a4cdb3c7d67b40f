package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		said, heard string
		want        int
	}{
		{"", "", 0},
		{"good morning", "", 2},
		{"", "good morning", 2},
		{"thank you very much", "thank you much", 1},
		{"one two three", "one too three four", 2},
		{"a b c d", "b c d a", 2},
	} {
		if got := distance(strings.Fields(c.said), strings.Fields(c.heard)); got != c.want {
			t.Errorf("%q heard as %q: %d errors, want %d", c.said, c.heard, got, c.want)
		}
	}
}

func TestNormal(t *testing.T) {
	got := normal(withoutRoles("Operator: Good morning, I'm Alice.\nClient?: It doesn't work!\nClient(-200): Yes."))
	want := strings.Fields("good morning i am alice it does not work yes")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
