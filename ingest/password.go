package ingest

import (
	"crypto/sha256"
	"encoding/hex"
)

// PasswordHash is what a client of the Transcripto API sends for a password:
// the lower-case hex SHA-256 (DESIGN "Reading the seeds").
func PasswordHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}
