-- +goose Up

-- Who did what, from where: logins, downloads, deletions, changed settings and
-- accounts. Kept for a year. An event that was written twice is one row: read
-- with FINAL (its time never changes, so it stays within its partition).
CREATE TABLE IF NOT EXISTS audit (
    org        LowCardinality(String),
    at         DateTime64(6, 'UTC'),
    id         String,
    user_id    Int64,
    email      String,
    action     LowCardinality(String),
    object     String,
    address    String,
    request_id String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (org, at, id)
TTL toDateTime(at) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 1000;

-- +goose Down
DROP TABLE IF EXISTS audit;
