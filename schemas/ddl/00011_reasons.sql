-- +goose Up

-- What the analyser calls a reason that it did not find is none: reports and BI counted it as one.
ALTER TABLE interactions UPDATE reason = '' WHERE reason IN ('not clear', 'не ясно');

-- +goose Down
SELECT 1;
