package schemas

import "embed"

// DDL holds the ClickHouse tables as goose migrations, ddl/NNNNN_NAME.sql.
//
//go:embed ddl/*.sql
var DDL embed.FS
