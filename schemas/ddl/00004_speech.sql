-- +goose Up

-- What a call's sound tells of each side. NULL is "unknown", never 0: a chat has
-- no talk, one channel does not tell who interrupts, and the measures of a role
-- that does not speak are NULL. A role_confidence that is not NULL says that who
-- speaks was guessed.
ALTER TABLE interactions
    ADD COLUMN IF NOT EXISTS role_confidence            Nullable(Float64) AFTER role_source,
    -- seconds of hold and hold music
    ADD COLUMN IF NOT EXISTS hold                       Nullable(Float64) AFTER longest_monologue,
    ADD COLUMN IF NOT EXISTS operator_longest_monologue Nullable(Float64) AFTER hold,
    ADD COLUMN IF NOT EXISTS customer_longest_monologue Nullable(Float64) AFTER operator_longest_monologue,
    -- of its own talk
    ADD COLUMN IF NOT EXISTS operator_words_per_minute  Nullable(Float64) AFTER customer_longest_monologue,
    ADD COLUMN IF NOT EXISTS customer_words_per_minute  Nullable(Float64) AFTER operator_words_per_minute,
    -- 0..1 of all talk, and of the recording
    ADD COLUMN IF NOT EXISTS operator_share_of_talk     Nullable(Float64) AFTER customer_words_per_minute,
    ADD COLUMN IF NOT EXISTS customer_share_of_talk     Nullable(Float64) AFTER operator_share_of_talk,
    ADD COLUMN IF NOT EXISTS operator_share_of_duration Nullable(Float64) AFTER customer_share_of_talk,
    ADD COLUMN IF NOT EXISTS customer_share_of_duration Nullable(Float64) AFTER operator_share_of_duration,
    -- of the other, by this side
    ADD COLUMN IF NOT EXISTS operator_interruptions     Nullable(UInt32) AFTER customer_share_of_duration,
    ADD COLUMN IF NOT EXISTS customer_interruptions     Nullable(UInt32) AFTER operator_interruptions;

-- Words with their times, for a player that follows them: words[i] is said from
-- word_starts[i] to word_ends[i], in seconds from the beginning of the
-- conversation. Empty for text.
ALTER TABLE segments
    ADD COLUMN IF NOT EXISTS role_confidence  Nullable(Float64) AFTER speaker,
    ADD COLUMN IF NOT EXISTS words            Array(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS word_starts      Array(Float32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS word_ends        Array(Float32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS word_confidences Array(Nullable(Float32)) CODEC(ZSTD(1));

-- +goose Down
ALTER TABLE segments DROP COLUMN IF EXISTS role_confidence, DROP COLUMN IF EXISTS words, DROP COLUMN IF EXISTS word_starts,
    DROP COLUMN IF EXISTS word_ends, DROP COLUMN IF EXISTS word_confidences;
ALTER TABLE interactions DROP COLUMN IF EXISTS role_confidence, DROP COLUMN IF EXISTS hold,
    DROP COLUMN IF EXISTS operator_longest_monologue, DROP COLUMN IF EXISTS customer_longest_monologue,
    DROP COLUMN IF EXISTS operator_words_per_minute, DROP COLUMN IF EXISTS customer_words_per_minute,
    DROP COLUMN IF EXISTS operator_share_of_talk, DROP COLUMN IF EXISTS customer_share_of_talk,
    DROP COLUMN IF EXISTS operator_share_of_duration, DROP COLUMN IF EXISTS customer_share_of_duration,
    DROP COLUMN IF EXISTS operator_interruptions, DROP COLUMN IF EXISTS customer_interruptions;
