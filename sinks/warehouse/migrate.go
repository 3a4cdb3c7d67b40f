package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"earshot/schemas"
)

// Migrate brings the ClickHouse tables up to schemas.DDL. What was applied
// stands in the table goose_db_version; each statement may run twice, so a
// start that was cut short is simply repeated.
func Migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(schemas.DDL, "ddl")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, files)
	if err != nil {
		return fmt.Errorf("ClickHouse migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("ClickHouse migrations: %w", err)
	}
	return nil
}
