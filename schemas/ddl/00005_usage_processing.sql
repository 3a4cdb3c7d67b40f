-- +goose Up

-- At which rate a line is billed: the processing type of its task. '' in lines
-- of before it was recorded.
ALTER TABLE usage ADD COLUMN IF NOT EXISTS processing_type LowCardinality(String) AFTER units;

-- +goose Down
ALTER TABLE usage DROP COLUMN IF EXISTS processing_type;
