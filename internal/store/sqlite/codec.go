package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"tongqu/internal/store/pack"
)

const insertDictionarySQL = `INSERT INTO dictionaries (id, message, content) VALUES (?, ?, ?)`

func loadCodec(ctx context.Context, db *sql.DB) (*pack.Codec, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, message, content FROM dictionaries`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c := pack.NewCodec()
	for rows.Next() {
		var id uint64
		var kind string
		var content []byte
		if err := rows.Scan(&id, &kind, &content); err != nil {
			return nil, err
		}
		d, err := pack.OpenDictionary(id, content)
		if err != nil {
			return nil, err
		}
		c.Put(kind, d)
	}
	return c, rows.Err()
}

// learn makes a dictionary of an accepted document whose kind has none.
func (tx *transaction) learn(in *incoming) error {
	kind := pack.Kind(&in.entry.Document)
	if kind == "" || in.document.Accepted == 0 || in.dictionary != nil || tx.learned[kind] || tx.w.codec.Dictionary(kind) != nil {
		return nil
	}
	content := pack.NewDictionary(in.entry)
	if content == nil {
		return nil
	}
	id := tx.w.dictionaries + 1 + uint64(len(tx.learned))
	d, err := pack.OpenDictionary(id, content)
	if err != nil {
		return err
	}
	if err := tx.exec(tx.w.insertDictionary, id, kind, content); err != nil {
		return fmt.Errorf("writing a dictionary: %w", err)
	}
	if tx.learned == nil {
		tx.learned = map[string]bool{}
	}
	tx.learned[kind] = true
	tx.after = append(tx.after, func() {
		tx.w.dictionaries = max(tx.w.dictionaries, id)
		tx.w.codec.Put(kind, d)
	})
	return nil
}
