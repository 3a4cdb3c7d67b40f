package main

import (
	"regexp"
	"strings"
)

var (
	role  = regexp.MustCompile(`(?m)^(Operator|Client|System)\??(\(-?\d+\))?: `)
	word  = regexp.MustCompile(`[a-z']+`)
	short = strings.NewReplacer("i'm", "i am", "don't", "do not", "doesn't", "does not", "can't", "can not", "cannot", "can not", "didn't", "did not",
		"isn't", "is not", "it's", "it is", "that's", "that is", "i'll", "i will", "we'll", "we will", "i've", "i have")
)

// withoutRoles takes "Operator: " and the like from the beginnings of lines.
func withoutRoles(text string) string { return role.ReplaceAllString(text, "") }

// normal gives the words that are compared: lower case, without punctuation,
// contractions written out.
func normal(text string) []string {
	return word.FindAllString(short.Replace(strings.ToLower(text)), -1)
}

// distance is the least number of words put in, left out or exchanged that
// makes b of a (Levenshtein).
func distance(a, b []string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			change := diagonal
			if x != y {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
