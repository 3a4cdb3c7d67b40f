// Package schemas holds the contracts every other package is written against:
// the events on the log and their Avro schemas, topic names, error codes, the
// localised dictionaries, the ClickHouse DDL and the OpenAPI text. It imports
// nothing of ours.
package schemas
