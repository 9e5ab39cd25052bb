-- +goose Up

-- Documents and records share one counter: document no has the records
-- no+1 … no+accepted+rejected+duplicates, and that number is the record's seq.
-- Numbers are given out under a lock that is held until the commit, so that the
-- order of the numbers is the order of the commits.
CREATE SEQUENCE numbers;

-- A document and the records in it are one row. Ids are UUIDs of version 7, which
-- begin with the time: a partition holds the ids of one month, UTC.
CREATE TABLE documents (
    no           bigint      NOT NULL,
    received     timestamptz NOT NULL,
    recorded     timestamptz NOT NULL,
    size         integer     NOT NULL,
    accepted     integer     NOT NULL,
    rejected     integer     NOT NULL,
    duplicates   integer     NOT NULL,
    status       smallint    NOT NULL,  -- 1 accepted, 2 partial, 3 rejected, 4 duplicate
    id           uuid        NOT NULL,
    duplicate_of uuid,
    agency       text        NOT NULL,
    adapter      text        NOT NULL,
    message      text        NOT NULL,
    door         text        NOT NULL,
    name         text        NOT NULL,
    types        text        NOT NULL,  -- the records' types, each with a blank before and after it
    sha256       bytea       NOT NULL,
    errors       bytea,                 -- JSON
    verdicts     bytea       NOT NULL,  -- what became of each record
    content      bytea       NOT NULL,  -- the records as they came, compressed
    body         bytea,                 -- the document as it came, compressed; null on duplicates
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
ALTER TABLE documents
    ALTER sha256 SET STORAGE PLAIN,
    ALTER verdicts SET STORAGE EXTERNAL,
    ALTER content SET STORAGE EXTERNAL,
    ALTER body SET STORAGE EXTERNAL;
CREATE INDEX documents_no ON documents (no);
CREATE INDEX documents_outbox ON documents (no) WHERE accepted > 0;
CREATE TABLE documents_other PARTITION OF documents DEFAULT;

-- The business keys of the records, by hash. month is that of the document's id,
-- e.g. 202603.
CREATE TABLE keys (
    hash  bigint  NOT NULL,
    seq   bigint  NOT NULL,
    month integer NOT NULL
) PARTITION BY LIST (month);
CREATE INDEX keys_hash ON keys (hash, seq);
CREATE TABLE keys_other PARTITION OF keys DEFAULT;

-- By what a later document or record is recognised: the identity and version of
-- every accepted record, and the agency and bytes of its document (version 0, and
-- in the place of the index the number of its rejected records). hash is 128 bits of a SHA-256. That there is one row for each is what
-- makes one of many the original.
CREATE TABLE originals (
    version  bigint  NOT NULL,          -- microseconds since 1970, UTC
    hash     uuid    NOT NULL,
    document uuid    NOT NULL,
    record   integer NOT NULL,          -- index in the document
    PRIMARY KEY (hash, version)
);
CREATE INDEX originals_document ON originals USING brin (document);

-- The compression dictionaries, one for each kind of message.
CREATE TABLE dictionaries (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message text  NOT NULL UNIQUE,
    content bytea NOT NULL
);

-- What stands in a stretch of the documents, so that a listing passes over
-- stretches without what it looks for. span is no / 4096.
CREATE TABLE spans (
    span      bigint      NOT NULL,
    agency    text        COLLATE "C" NOT NULL,
    types     text        COLLATE "C" NOT NULL,
    documents integer     NOT NULL,     -- bit s is set when a document has status s
    records   integer     NOT NULL,     -- bit s is set when a record has status s
    earliest  timestamptz NOT NULL,     -- received
    latest    timestamptz NOT NULL,
    PRIMARY KEY (span, agency, types)
) WITH (fillfactor = 50);

-- Sums for the balance. hour counts from 1970; hour 0 holds the sum of all.
CREATE TABLE counters (
    hour   integer NOT NULL,
    kind   text    COLLATE "C" NOT NULL, -- document, record, published, delivery
    name   text    COLLATE "C" NOT NULL, -- agency or subscription
    status text    COLLATE "C" NOT NULL,
    n      bigint  NOT NULL,
    PRIMARY KEY (hour, kind, name, status)
) WITH (fillfactor = 50);

-- The batches that went to the bus. Records up to the last one's are published.
CREATE TABLE published (
    last  bigint      PRIMARY KEY,      -- seq
    first bigint      NOT NULL,         -- seq
    at    timestamptz NOT NULL
);

CREATE TABLE subscriptions (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text    COLLATE "C" NOT NULL UNIQUE
);
-- A partition holds the deliveries of one month's documents.
CREATE TABLE deliveries (
    at           timestamptz NOT NULL,
    subscription integer     NOT NULL,
    record       integer     NOT NULL,  -- index in the document
    attempts     integer     NOT NULL,
    status       smallint    NOT NULL,  -- 1 delivered, 2 parked, 3 waiting
    document     uuid        NOT NULL,
    detail       text        NOT NULL,
    PRIMARY KEY (subscription, document, record)
) PARTITION BY RANGE (document);
CREATE INDEX deliveries_open ON deliveries (subscription, status, document, record) WHERE status <> 1;
CREATE TABLE deliveries_other PARTITION OF deliveries DEFAULT;

-- Work that one hub at a time does. token grows with every change of the holder.
CREATE TABLE leases (
    name   text        COLLATE "C" PRIMARY KEY,
    holder uuid        NOT NULL,
    token  bigint      NOT NULL,
    until  timestamptz NOT NULL
);

-- One row that readiness writes to.
CREATE TABLE probe (
    id integer     PRIMARY KEY CHECK (id = 1),
    at timestamptz NOT NULL
);
INSERT INTO probe VALUES (1, now());

-- +goose Down
DROP TABLE probe, leases, deliveries, subscriptions, published, counters, spans, dictionaries, originals, keys, documents;
DROP SEQUENCE numbers;
