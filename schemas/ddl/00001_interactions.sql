-- +goose Up

-- One row per task: who, what, when, how it ended, and what the analysis says.
-- Every event of a task carries the whole task, so every row is complete and
-- the row with the highest version is the truth: read with FINAL.
--
-- version = version of the status * 2^32 + version of the analysis (or of the
-- transcript while there is no analysis), so that neither a late status nor an
-- older analysis can hide a newer row.
--
-- The task code is a UUIDv7: as a number it sorts by time, which toUInt128
-- gives (a UUID itself sorts by its second half). Rows of one task thus lie
-- side by side, those of one organisation and period in few granules, and old
-- parts do not overlap new ones, which makes FINAL cheap. The partition is made
-- of the code too: it cannot differ between two versions of a task.
--
-- In columns that are not Nullable the empty string, 0 and [] mean "unknown or
-- none"; dictionary ids begin with 1.
CREATE TABLE IF NOT EXISTS interactions (
    org                  LowCardinality(String),
    code                 UUID,
    version              UInt64,
    updated_at           DateTime64(6, 'UTC'),
    status               LowCardinality(String),
    error_code           Int32,
    error_message        String,

    id                   Int64,
    user_id              Int64,
    type                 LowCardinality(String),
    source               LowCardinality(String),
    external_id          String,
    processing_type      LowCardinality(String),
    report_type          LowCardinality(String),
    file_name            String,
    content_type         LowCardinality(String),
    blob                 String,
    digest               String,
    bytes                Int64,
    directory_id         Int64,
    operator_name        LowCardinality(String),
    client_id            String,
    call_type            LowCardinality(String),
    call_date            Nullable(Date32),
    call_time            Nullable(DateTime64(6, 'UTC')),
    -- call_time, else midnight of call_date, else created_at: what date filters and reports go by
    call_datetime        DateTime64(6, 'UTC'),
    created_at           DateTime64(6, 'UTC'),
    seconds              Float64,
    -- minutes with two decimals, as the API shows and filters it
    length               Float64,
    language             LowCardinality(String),

    -- utterances as lines "speaker: text"
    text                 String CODEC(ZSTD(1)),
    -- word stems of summary and text, each once (schemas.SearchWords): what the full-text filter looks in
    words                Array(String) CODEC(ZSTD(1)),

    analysis_version     UInt32,
    engine               LowCardinality(String),
    role_source          LowCardinality(String),
    no_speech            Bool,
    summary              String CODEC(ZSTD(1)),
    sentiment            LowCardinality(String),
    sentiment_score      Nullable(Float64),
    tone_id              UInt8,
    csat                 Nullable(UInt8),
    politeness           Nullable(Float64),
    politeness_grade     UInt8,
    empathy              Nullable(Float64),
    tags                 Array(LowCardinality(String)),
    -- tags in lower case: what filters compare
    tag_keys             Array(String),
    topics               Array(LowCardinality(String)),
    intent               String,
    reason               String,
    product              String,
    root_cause           String,
    decision_driver      String,
    key_obstacles        String,
    emotional_dynamics   String,
    next_action          String,
    resolved_status_id   UInt8,
    priority_id          UInt8,
    funnel_stage_id      UInt8,
    risk_signal_ids      Array(UInt8),
    sales_signal_ids     Array(UInt8),
    actions              Array(String),
    operator_commitments Array(String),
    category_ids         Array(Int64),
    -- answers by position: checklist_answers[i] answers question checklist_ids[i]
    checklist_ids        Array(Int64),
    checklist_answers    Array(LowCardinality(String)),
    -- the same as "question=answer": what the filter compares
    checklist_keys       Array(String),
    script_alignment     Nullable(Float64),
    script_id            Int64,
    script_version       Int64,

    turns                UInt32,
    operator_turns       UInt32,
    customer_turns       UInt32,
    word_count           UInt32,
    operator_talk        Nullable(Float64),
    customer_talk        Nullable(Float64),
    silence              Nullable(Float64),
    overlap              Nullable(Float64),
    interruptions        Nullable(UInt32),
    first_response       Nullable(Float64),
    average_response     Nullable(Float64),
    longest_monologue    Nullable(Float64),

    -- the whole analysis with its evidence, without utterances: schemas.Analysis as JSON
    analysis             String CODEC(ZSTD(1)),

    -- inverted indexes (ClickHouse 26.2 or later): has, hasAny and hasAll on these columns read the index, not the column
    INDEX words_index words TYPE text(tokenizer = 'array'),
    INDEX tags_index tag_keys TYPE text(tokenizer = 'array'),
    INDEX checklist_index checklist_keys TYPE text(tokenizer = 'array'),
    -- both grow with the code, so that granules are skipped by them
    INDEX id_range id TYPE minmax,
    INDEX conversation_range call_datetime TYPE minmax
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(UUIDv7ToDateTime(code))
ORDER BY (org, toUInt128(code))
-- The block size bounds memory: with the default of 1 MiB each of the columns
-- holds a buffer of that size while a part is written or merged.
SETTINGS non_replicated_deduplication_window = 1000, max_compress_block_size = 131072;

-- +goose Down
DROP TABLE IF EXISTS interactions;
