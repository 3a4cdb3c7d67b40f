-- +goose Up

-- The quota ledger: one line per task and resource. The same id is one line,
-- however often it was written: read with FINAL. Not partitioned: two writings
-- of a line may differ in nothing, but nothing guarantees it of `at`.
CREATE TABLE IF NOT EXISTS usage (
    org       LowCardinality(String),
    id        String,
    task_code String,
    resource  LowCardinality(String),
    units     Int64,
    at        DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (org, id)
SETTINGS non_replicated_deduplication_window = 1000;

-- +goose Down
DROP TABLE IF EXISTS usage;
