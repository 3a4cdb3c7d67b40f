package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// DecodeTask reads only the task of a TaskSubmitted, Transcript, Analysis or
// TaskStatus, the field that each begins with: a fifth of the work of decoding
// a chat, for readers that do not want its utterances.
func (c *Codec) DecodeTask(value []byte) (t Task, err error) {
	codec, _, body, err := c.writerOf(value)
	if err != nil {
		return t, err
	}
	head, err := c.headOf(codec)
	if err != nil {
		return t, err
	}
	native, _, err := nativeFromBinary(head, body)
	if err != nil {
		return t, fmt.Errorf("decode a task: %w", err)
	}
	fields, ok := native.(map[string]any)
	if !ok {
		return t, fmt.Errorf("decode a task: want a record, got %T", native)
	}
	if err := fromNative(fields["task"], reflect.ValueOf(&t).Elem()); err != nil {
		return t, fmt.Errorf("decode a task: %w", err)
	}
	return t, nil
}

// Readable says whether value was written with a known schema of event (a
// value of the event struct), without decoding it.
func (c *Codec) Readable(value []byte, event any) error {
	_, written, _, err := c.writerOf(value)
	if want := reflect.TypeOf(event).Name(); err == nil && written != "" && written != want {
		return fmt.Errorf("record holds a %s, not a %s", written, want)
	}
	return err
}

var errNoTask = errors.New("record does not begin with a task")

// headOf cuts a record schema after its first field, which must be the task.
func (c *Codec) headOf(codec *goavro.Codec) (*goavro.Codec, error) {
	if head, ok := c.heads.Load(codec); ok {
		return head.(*goavro.Codec), nil
	}
	schema := map[string]any{}
	if err := json.Unmarshal([]byte(codec.Schema()), &schema); err != nil {
		return nil, errNoTask // not a record
	}
	fields, ok := schema["fields"].([]any)
	if !ok || len(fields) == 0 {
		return nil, errNoTask
	}
	first, ok := fields[0].(map[string]any)
	if !ok || first["name"] != "task" {
		return nil, errNoTask
	}
	schema["fields"] = fields[:1]
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	head, err := goavro.NewCodec(string(text))
	if err != nil {
		return nil, err
	}
	c.heads.Store(codec, head)
	return head, nil
}

// headerVersion repeats TaskStatus.Version, so that whoever folds the status
// topic decodes only the last status of each task.
const headerVersion = "earshot_version"

// RecordVersion is the status version in a record's headers; false when it has
// none, then the value must be decoded.
func RecordVersion(r *kgo.Record) (int64, bool) {
	for _, h := range r.Headers {
		if h.Key == headerVersion {
			v, err := strconv.ParseInt(string(h.Value), 10, 64)
			return v, err == nil
		}
	}
	return 0, false
}
