package schemas

import "time"

// Topic names. The key of every record is the task code unless the comment
// says otherwise, so that all events of a task stay in order in one partition.
const (
	TopicAudio       = "earshot.tasks.audio"
	TopicAudioBulk   = "earshot.tasks.audio.bulk"
	TopicText        = "earshot.tasks.text"
	TopicTextBulk    = "earshot.tasks.text.bulk"
	TopicReport      = "earshot.tasks.report"
	TopicTranscripts = "earshot.transcripts"
	TopicAnalyses    = "earshot.analyses"
	TopicAgain       = "earshot.analyses.again" // finished tasks to be analysed again
	TopicStatus      = "earshot.status"
	TopicEntities    = "earshot.entities" // key org/kind/id
	TopicUsage       = "earshot.usage"    // key org
	TopicDeadLetter  = "earshot.deadletter"
	TopicAudit       = "earshot.audit" // key org
)

// Consumer groups. Share groups hand records to workers, classic groups feed
// the sinks in order.
const (
	GroupTranscribe = "earshot.transcribe" // share
	GroupAnalyze    = "earshot.analyze"    // share
	GroupReport     = "earshot.report"     // share
	GroupWarehouse  = "earshot.warehouse"  // classic
	GroupState      = "earshot.state"      // classic
)

// Topic says how a topic is made when it is missing.
type Topic struct {
	Name       string
	Partitions int
	Compact    bool          // keep the last record of each key; else delete after Retention
	Retention  time.Duration // 0 = for ever
	MaxBytes   int           // largest record; 0 = the broker's default
}

// MaxRecordBytes bounds one record: a chat of MaxTextBytes, split into
// utterances with their names around them, and its analysis.
const MaxRecordBytes = 32 << 20

// Topics are all topics of the log. tasks.* keep a year, as long as a plan
// stores interactions; usage and dead letters are kept until an operator says
// otherwise.
var Topics = []Topic{
	{Name: TopicAudio, Partitions: 6, Retention: year},
	{Name: TopicAudioBulk, Partitions: 6, Retention: year},
	{Name: TopicText, Partitions: 6, Retention: year, MaxBytes: MaxRecordBytes},
	{Name: TopicTextBulk, Partitions: 6, Retention: year, MaxBytes: MaxRecordBytes},
	{Name: TopicReport, Partitions: 2, Retention: year},
	{Name: TopicTranscripts, Partitions: 6, Retention: year, MaxBytes: MaxRecordBytes},
	{Name: TopicAnalyses, Partitions: 6, Retention: year, MaxBytes: MaxRecordBytes},
	{Name: TopicAgain, Partitions: 6, Retention: year},
	// Not compacted: a late worker may write a lower status after a higher one,
	// and compaction would keep the last, not the highest.
	{Name: TopicStatus, Partitions: 6},
	{Name: TopicEntities, Partitions: 2, Compact: true},
	{Name: TopicUsage, Partitions: 2},
	{Name: TopicDeadLetter, Partitions: 1, MaxBytes: MaxRecordBytes},
	{Name: TopicAudit, Partitions: 2, Retention: year},
}

const year = 365 * 24 * time.Hour
