// Package tongqu carries the hub's data inside the binary: adapters, schemas,
// translation tables and the default configuration.
package tongqu

import "embed"

// Files has the folders adapters, schemas, mappings and config.
//
//go:embed adapters schemas mappings config
var Files embed.FS
