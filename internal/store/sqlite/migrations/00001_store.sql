-- +goose Up

-- A document and the records in it are one row. Documents and records share one
-- counter: document no has the records no+1 … no+accepted+rejected+duplicates,
-- and that number is the record's seq.
CREATE TABLE documents (
    no           INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL,   -- UUID, 16 bytes
    agency       TEXT    NOT NULL,
    adapter      TEXT    NOT NULL,
    message      TEXT    NOT NULL,
    door         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    received     INTEGER NOT NULL,   -- microseconds since 1970, UTC
    recorded     INTEGER NOT NULL,   -- microseconds since 1970, UTC
    sha256       BLOB    NOT NULL,
    size         INTEGER NOT NULL,
    status       INTEGER NOT NULL,   -- 1 accepted, 2 partial, 3 rejected, 4 duplicate
    duplicate_of BLOB,               -- UUID, 16 bytes
    accepted     INTEGER NOT NULL,
    rejected     INTEGER NOT NULL,
    duplicates   INTEGER NOT NULL,
    types        TEXT    NOT NULL,   -- the records' types, each with a blank before and after it
    errors       BLOB,               -- JSON
    verdicts     BLOB    NOT NULL,   -- what became of each record
    content      BLOB    NOT NULL,   -- the records as they came
    body         BLOB                -- the document as it came; null on duplicates
);
CREATE UNIQUE INDEX documents_id ON documents (id);

-- The compression dictionaries, one for each kind of message.
CREATE TABLE dictionaries (
    id      INTEGER PRIMARY KEY,
    message TEXT NOT NULL UNIQUE,
    content BLOB NOT NULL
);

-- What stands in a stretch of the documents, so that a listing passes over
-- stretches without what it looks for. span is no / 4096.
CREATE TABLE spans (
    span      INTEGER NOT NULL,
    agency    TEXT    NOT NULL,
    types     TEXT    NOT NULL,
    documents INTEGER NOT NULL,      -- bit s is set when a document has status s
    records   INTEGER NOT NULL,      -- bit s is set when a record has status s
    earliest  INTEGER NOT NULL,      -- received, microseconds
    latest    INTEGER NOT NULL,
    PRIMARY KEY (span, agency, types)
) WITHOUT ROWID;

-- Sums for the balance. hour counts from 1970; hour 0 holds the sum of all.
CREATE TABLE counters (
    hour   INTEGER NOT NULL,
    kind   TEXT    NOT NULL,         -- document, record, published, delivery
    name   TEXT    NOT NULL,         -- agency or subscription
    status TEXT    NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (hour, kind, name, status)
) WITHOUT ROWID;

-- The batches that went to the bus. Records up to the last one's are published.
CREATE TABLE published (
    last  INTEGER PRIMARY KEY,       -- seq
    first INTEGER NOT NULL,          -- seq
    at    INTEGER NOT NULL
);

-- The index of business keys, identities and document hashes: sorted runs of
-- (hash, number) in blocks by the first bits of the hash. Numbers beyond the
-- last run's are indexed in memory.
CREATE TABLE key_runs (
    id      INTEGER PRIMARY KEY,
    first   INTEGER NOT NULL,        -- the numbers that the run covers
    last    INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    recalls INTEGER NOT NULL,        -- entries that the filter holds
    bits    INTEGER NOT NULL,        -- 2^bits blocks
    filter  BLOB    NOT NULL
);
CREATE TABLE key_blocks (
    id      INTEGER PRIMARY KEY,     -- run · 2^36 + block · 2^12 + part
    entries BLOB    NOT NULL
);

CREATE TABLE subscriptions (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE deliveries (
    subscription INTEGER NOT NULL,
    document     BLOB    NOT NULL,   -- UUID, 16 bytes
    record       INTEGER NOT NULL,   -- index in the document
    status       INTEGER NOT NULL,   -- 1 delivered, 2 parked, 3 waiting
    attempts     INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    detail       TEXT    NOT NULL,
    PRIMARY KEY (subscription, document, record)
) WITHOUT ROWID;
CREATE INDEX deliveries_open ON deliveries (subscription, status, document, record) WHERE status <> 1;

-- One row that readiness writes to.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
);
INSERT INTO probe VALUES (1, 0);

-- +goose Down
DROP TABLE probe;
DROP TABLE deliveries;
DROP TABLE subscriptions;
DROP TABLE key_blocks;
DROP TABLE key_runs;
DROP TABLE published;
DROP TABLE counters;
DROP TABLE spans;
DROP TABLE dictionaries;
DROP TABLE documents;
