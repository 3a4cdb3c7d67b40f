-- +goose Up

-- One row per utterance. version is that of the row of interactions it came
-- with: a newer transcript or analysis writes all turns anew, and turns that it
-- no longer has stay behind with the older version. So join on code and version.
CREATE TABLE IF NOT EXISTS segments (
    org           LowCardinality(String),
    code          UUID,
    turn          UInt32,
    version       UInt64,
    call_datetime DateTime64(6, 'UTC'),
    language      LowCardinality(String),
    speaker       LowCardinality(String),
    channel       Int16,
    -- seconds from the beginning of the conversation
    start         Nullable(Float64),
    end           Nullable(Float64),
    text          String CODEC(ZSTD(1)),
    confidence    Nullable(Float64),
    sentiment     Nullable(Float64)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(UUIDv7ToDateTime(code))
ORDER BY (org, toUInt128(code), turn)
SETTINGS non_replicated_deduplication_window = 1000, max_compress_block_size = 131072;

-- +goose Down
DROP TABLE IF EXISTS segments;
