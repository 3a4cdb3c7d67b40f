package schemas

import (
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// avro/NAME.avsc is the schema events are written with; avro/history holds
// every earlier one, so that bytes written years ago still decode.
//
//go:embed avro
var avroFiles embed.FS

type writer struct {
	event string // record name, as in the struct
	text  string
	codec *goavro.Codec
}

type catalogue struct {
	current     map[string]writer // by event name
	fingerprint map[uint64]writer // Rabin, current and historical
}

var loadCatalogue = sync.OnceValues(func() (*catalogue, error) {
	// goavro allocates what an array's block count declares; its own limit of
	// 2^31 would let a few hostile bytes ask for 32 GB. Longer arrays are
	// written in several blocks.
	goavro.MaxBlockCount = 1 << 16
	c := &catalogue{map[string]writer{}, map[uint64]writer{}}
	err := fs.WalkDir(avroFiles, "avro", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".avsc") {
			return err
		}
		text, err := avroFiles.ReadFile(path)
		if err != nil {
			return err
		}
		codec, err := goavro.NewCodec(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		w := writer{strings.SplitN(d.Name(), ".", 2)[0], string(text), codec}
		c.fingerprint[codec.Rabin] = w
		if !strings.Contains(path, "/history/") {
			c.current[w.event] = w
		}
		return nil
	})
	return c, err
})

// Codec turns events into Avro and back. Its zero value writes Avro
// single-object encoding; NewCodec can make it write Confluent's wire format.
// Both kinds of bytes are always readable where their schema is known. A Codec
// is safe for concurrent use.
type Codec struct {
	registry *sr.Client
	ids      sync.Map // event name -> int, schema id in the registry
	foreign  sync.Map // int -> *goavro.Codec, schemas fetched from the registry
	heads    sync.Map // *goavro.Codec -> *goavro.Codec, the same up to the task
}

// NewCodec returns a codec; with a non-empty registry URL it registers each
// event's schema under the subject "earshot.EVENT" at first use and writes
// Confluent's wire format (magic byte 0, four bytes of schema id, Avro).
func NewCodec(registryURL string) (*Codec, error) {
	if registryURL == "" {
		return &Codec{}, nil
	}
	client, err := sr.NewClient(sr.URLs(registryURL))
	if err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", registryURL, err)
	}
	return &Codec{registry: client}, nil
}

// Encode returns the Avro bytes of an event struct (a value, not a pointer).
func (c *Codec) Encode(event any) ([]byte, error) {
	cat, err := loadCatalogue()
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(event)
	w, ok := cat.current[v.Type().Name()]
	if !ok {
		return nil, fmt.Errorf("no Avro schema for %T", event)
	}
	native := toNative(v)
	if c.registry == nil {
		return w.codec.SingleFromNative(nil, native)
	}
	id, err := c.register(w)
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	return w.codec.BinaryFromNative(head, native)
}

func (c *Codec) register(w writer) (int, error) {
	if id, ok := c.ids.Load(w.event); ok {
		return id.(int), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), registryTimeout)
	defer cancel()
	id, err := c.registry.RegisterSchema(ctx, "earshot."+w.event, sr.Schema{Schema: w.text, Type: sr.TypeAvro}, -1, -1)
	if err != nil {
		return 0, fmt.Errorf("%w: register %s: %w", ErrRegistry, w.event, err)
	}
	c.ids.Store(w.event, id)
	return id, nil
}

const registryTimeout = 10 * time.Second

// ErrUnknownSchema means that bytes were written with a schema that this
// build does not have: a newer Earshot wrote them, or they are not ours.
var ErrUnknownSchema = errors.New("record written with an unknown schema; is an older version of Earshot reading a newer one's log?")

// ErrRegistry means that a schema could not be fetched from the registry now:
// the record may be fine and is to be tried again.
var ErrRegistry = errors.New("the schema registry does not answer; is EARSHOT_SCHEMA_REGISTRY_URL right?")

// Decode fills event, a pointer to an event struct, from bytes that any
// version of Earshot wrote. Bytes of another event type are an error.
func (c *Codec) Decode(value []byte, event any) error {
	dst := reflect.ValueOf(event).Elem()
	codec, written, body, err := c.writerOf(value)
	if err != nil {
		return err
	}
	if written != "" && written != dst.Type().Name() {
		return fmt.Errorf("record holds a %s, not a %s", written, dst.Type().Name())
	}
	native, _, err := nativeFromBinary(codec, body)
	if err != nil {
		return fmt.Errorf("decode %s: %w", dst.Type().Name(), err)
	}
	if err := fromNative(native, dst); err != nil {
		return fmt.Errorf("decode %s: %w", dst.Type().Name(), err)
	}
	return nil
}

// writerOf finds the schema that value was written with, the name of its event
// ("" when only the registry knows) and where its Avro begins.
func (c *Codec) writerOf(value []byte) (codec *goavro.Codec, event string, body []byte, err error) {
	cat, err := loadCatalogue()
	if err != nil {
		return nil, "", nil, err
	}
	if len(value) > 5 && value[0] == 0 {
		codec, err = c.fetch(int(binary.BigEndian.Uint32(value[1:5])))
		return codec, "", value[5:], err
	}
	print, rest, err := goavro.FingerprintFromSOE(value)
	if err != nil {
		return nil, "", nil, fmt.Errorf("%w (%v)", ErrUnknownSchema, err)
	}
	w, ok := cat.fingerprint[print]
	if !ok {
		return nil, "", nil, ErrUnknownSchema
	}
	return w.codec, w.event, rest, nil
}

// nativeFromBinary guards against goavro panicking or allocating by a length
// that hostile bytes declare.
func nativeFromBinary(codec *goavro.Codec, body []byte) (native any, rest []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed Avro: %v", r)
		}
	}()
	return codec.NativeFromBinary(body)
}

func (c *Codec) fetch(id int) (*goavro.Codec, error) {
	if codec, ok := c.foreign.Load(id); ok {
		return codec.(*goavro.Codec), nil
	}
	if c.registry == nil {
		return nil, fmt.Errorf("record in Confluent's wire format, schema %d: set EARSHOT_SCHEMA_REGISTRY_URL to read it", id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), registryTimeout)
	defer cancel()
	s, err := c.registry.SchemaByID(ctx, id)
	if answer := (*sr.ResponseError)(nil); errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%w (the registry has no schema %d)", ErrUnknownSchema, id)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: schema %d: %w", ErrRegistry, id, err)
	}
	codec, err := goavro.NewCodec(s.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	c.foreign.Store(id, codec)
	return codec, nil
}

// Record makes the log record of an event: its key (the task code; the entity
// or organisation for those topics), its Avro value, and CloudEvents 1.0
// attributes and the W3C traceparent as headers.
func (c *Codec) Record(topic, source string, event any) (*kgo.Record, error) {
	value, err := c.Encode(event)
	if err != nil {
		return nil, err
	}
	key, trace := identity(event)
	headers := []kgo.RecordHeader{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_id", Value: []byte(uuid.NewString())},
		{Key: "ce_type", Value: []byte("earshot." + reflect.TypeOf(event).Name())},
		{Key: "ce_source", Value: []byte("/earshot/" + source)},
		{Key: "ce_time", Value: []byte(time.Now().UTC().Format(time.RFC3339Nano))},
	}
	if trace != "" {
		headers = append(headers, kgo.RecordHeader{Key: "traceparent", Value: []byte(trace)})
	}
	if status, ok := event.(TaskStatus); ok {
		headers = append(headers, kgo.RecordHeader{Key: headerVersion, Value: strconv.AppendInt(nil, status.Version, 10)})
	}
	return &kgo.Record{Topic: topic, Key: []byte(key), Value: value, Headers: headers}, nil
}

func identity(event any) (key, traceparent string) {
	switch e := event.(type) {
	case TaskSubmitted:
		return e.Task.Code, e.Task.TraceParent
	case Transcript:
		return e.Task.Code, e.Task.TraceParent
	case Analysis:
		return e.Task.Code, e.Task.TraceParent
	case TaskStatus:
		return e.Task.Code, e.Task.TraceParent
	case EntityChanged:
		return e.Org + "/" + e.Kind + "/" + e.ID, ""
	case UsageRecorded:
		return e.Org, ""
	case AuditRecorded:
		return e.Org, ""
	case AnalysisRequested:
		return e.TaskCode, ""
	case DeadLetter:
		return string(e.Key), ""
	}
	return "", ""
}
