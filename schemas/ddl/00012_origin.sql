-- +goose Up

-- What heard a conversation, and a digest of the organisation's settings that judged it: what a report says it was made from. ''
-- is "unknown", and for speech_model also "no speech": a chat or an e-mail.
ALTER TABLE interactions
    ADD COLUMN IF NOT EXISTS speech_model LowCardinality(String) AFTER engine,
    ADD COLUMN IF NOT EXISTS profile      LowCardinality(String) AFTER speech_model;

-- +goose Down
ALTER TABLE interactions DROP COLUMN IF EXISTS speech_model, DROP COLUMN IF EXISTS profile;
