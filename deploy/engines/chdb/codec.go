package chdb

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	chcompress "github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decodeBody undoes a request's Content-Encoding and, when blocks is set (?decompress=1), ClickHouse's own block
// compression. close gives back what the decoder holds.
func decodeBody(body io.Reader, encoding string, blocks bool) (r io.Reader, close func(), err error) {
	close = func() {}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		r = body
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(body)
	case "deflate":
		r, err = zlib.NewReader(body)
	case "br":
		r = brotli.NewReader(body)
	case "lz4":
		r = lz4.NewReader(body)
	case "zstd":
		var dec *zstd.Decoder
		// One goroutine less to end, and a bound: a frame may declare a window of gigabytes.
		if dec, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20)); err == nil {
			r, close = dec, dec.Close
		}
	default:
		err = fmt.Errorf("Content-Encoding %q is not supported: use gzip, deflate, br, zstd or lz4", encoding)
	}
	if err != nil {
		return nil, close, exceptionf(codeCannotDecompress, "CANNOT_DECOMPRESS", err.Error())
	}
	if blocks {
		r = &blockReader{chcompress.NewReader(r)}
	}
	return r, close, nil
}

// blockReader reads ClickHouse's compressed blocks; the library wraps io.EOF, which io.Copy would take for a failure.
type blockReader struct{ *chcompress.Reader }

func (b *blockReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// blockWriter writes ClickHouse's LZ4 blocks, as ?compress=1 asks for: one per Write, so write in large pieces.
type blockWriter struct {
	dst io.Writer
	lz4 *chcompress.Writer
}

func newBlockWriter(dst io.Writer) *blockWriter {
	return &blockWriter{dst: dst, lz4: chcompress.NewWriter(chcompress.LevelZero, chcompress.LZ4)}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	const piece = 1 << 20 // ClickHouse's own block size
	for done := 0; done < len(p); done += piece {
		if err := b.lz4.Compress(p[done:min(done+piece, len(p))]); err != nil {
			return done, err
		}
		if _, err := b.dst.Write(b.lz4.Data); err != nil {
			return done, err
		}
	}
	return len(p), nil
}

// errTooLarge is what limitedReader ends with.
var errTooLarge = errors.New("the body is larger than the limit")

// limitedReader fails, rather than ends, behind left bytes: a shortened body must not look like a whole one.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
