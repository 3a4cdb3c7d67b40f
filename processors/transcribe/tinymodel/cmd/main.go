// Command cmd writes the test model of package tinymodel:
//
//	go run ./processors/transcribe/tinymodel/cmd OUT.bin
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"earshot/processors/transcribe/tinymodel"
)

type cli struct {
	Out          string `arg:"" help:"File to write." placeholder:"OUT.bin"`
	Seed         uint64 `help:"Which choice of words." default:"1"`
	Multilingual bool   `help:"Pick between English and Russian instead of knowing English only."`
	Size         string `help:"Write one that takes the time of a real model instead, and says always the same: base or turbo." enum:",base,turbo" default:""`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Description("Writes a tiny Whisper model that says words at random: for tests, not for use."))
	if err := c.write(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (c *cli) write() error {
	f, err := os.Create(c.Out)
	if err != nil {
		return err
	}
	switch c.Size {
	case "base":
		err = tinymodel.WriteSized(f, tinymodel.Base)
	case "turbo":
		err = tinymodel.WriteSized(f, tinymodel.Turbo)
	default:
		err = tinymodel.Write(f, c.Seed, c.Multilingual)
	}
	return errors.Join(err, f.Close())
}
