package schemas

import (
	_ "embed"
	"fmt"

	"github.com/goccy/go-yaml"
)

//go:embed topicnames.yaml
var topicsYAML []byte

// topicNames are the topics of the built-in rules by key.
var topicNames = func() map[string]Term {
	names := map[string]Term{}
	if err := yaml.Unmarshal(topicsYAML, &names); err != nil {
		panic(fmt.Sprintf("topicnames.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	return names
}()

// TopicName is what a topic of Analysis.Topics is called in the language of a BCP
// 47 tag, English unless it begins with "ru". A key that only rules of one's own
// have is its own name.
func TopicName(key, lang string) string {
	if name, ok := topicNames[key]; ok {
		return name.Name(lang)
	}
	return key
}
