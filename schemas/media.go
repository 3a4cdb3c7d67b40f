package schemas

import "time"

// AudioFormats is ffmpeg's -format_whitelist: the containers we accept. The
// list is the guard, not a convenience: a protocol whitelist alone still lets
// HLS and ffconcat playlists read local files.
const AudioFormats = "wav,mp3,ogg,flac,mov,matroska,aac,amr"

// Bounds of an audio task (seed, POST /addtaskcall; AICA "Upload Audio").
const (
	MinAudio       = 2 * time.Second
	MaxAudio       = 10 * time.Hour
	MaxUploadBytes = 500 << 20
	MaxTextBytes   = 10 << 20 // of a chat, cleaned
)
