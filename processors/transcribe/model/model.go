// Package model holds the speech model that ships with the program.
package model

import _ "embed"

// Weights is a Whisper model in ggml's format, English only and small. It is a
// demonstration and test model: trained on synthesised speech (README.md in this
// folder says how and how well it hears), it makes a fresh machine hear the
// samples and is no model for real calls; `earshot model get base` gets one.
//
//go:embed earshot-demo.en.bin
var Weights []byte
