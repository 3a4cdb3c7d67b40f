package config

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Secret returns the key that is given, or without one the key kept in the file at path, and makes that of 32 random bytes, in hex, at the first
// call. Only the file's owner can read it.
func Secret(given, path string) (string, error) {
	if given != "" {
		return given, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return "", err
		}
		raw = []byte(hex.EncodeToString(key))
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("a key of this installation: %w", err)
	}
	if len(strings.TrimSpace(string(raw))) < 32 {
		return "", fmt.Errorf("the key in %s is too short: delete the file to have a new one made (what it has signed is void then)", path)
	}
	return strings.TrimSpace(string(raw)), nil
}
