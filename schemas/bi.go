package schemas

// BIViews are what BI tools read, in the database of the tables: ddl/BI.md says
// what stands in them. They stay as they are; columns are only added.
var BIViews = []string{"bi_interactions", "bi_operators_daily", "bi_checklist_answers", "bi_segments"}

// BILimits bound one query of a BI account, as settings of ClickHouse: seconds
// and rows. Memory is bounded where the account is made.
var BILimits = map[string]uint64{
	"max_execution_time": 60,
	"max_rows_to_read":   500_000_000,
	"max_result_rows":    1_000_000,
}

// Tables are what the views are made of, and the rest of what is known of every
// organisation.
var Tables = []string{"interactions", "segments", "usage", "audit"}
