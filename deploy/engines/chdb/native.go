package chdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// reencodeNative turns Native blocks as chDB writes them (protocol revision 0) into those a client of the given
// revision reads: ClickHouse's server does the same when client_protocol_version is set. Revision 0 is passed through.
func reencodeNative(dst io.Writer, blocks []byte, revision uint64) error {
	if revision == 0 {
		_, err := dst.Write(blocks)
		return err
	}
	reader := chproto.NewReader(bytes.NewReader(blocks))
	var out chproto.Buffer
	for {
		block := proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
		if err := block.Decode(reader, 0); err != nil {
			if errors.Is(err, io.EOF) && len(block.Columns) == 0 {
				return nil
			}
			return exceptionf(codeNotImplemented, "NOT_IMPLEMENTED",
				fmt.Sprintf("The result cannot be sent in protocol revision %d: %v. Ask for it in another FORMAT.", revision, err))
		}
		out.Reset()
		if err := block.Encode(&out, revision); err != nil {
			return exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", fmt.Sprintf("The result cannot be sent in protocol revision %d: %v.", revision, err))
		}
		if _, err := dst.Write(out.Buf); err != nil {
			return err
		}
	}
}
