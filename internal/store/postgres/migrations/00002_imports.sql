-- +goose Up

-- A row while another store is being moved into this database.
CREATE TABLE imports (
    origin text        NOT NULL,
    since  timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE imports;
