-- +goose Up

-- What agencies asked through the hub, and what they were answered; personal data masked.
CREATE TABLE inquiries (
    id          BLOB    PRIMARY KEY,  -- UUID of version 7, 16 bytes
    agency      TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    purpose     TEXT    NOT NULL,
    at          INTEGER NOT NULL,     -- microseconds since 1970, UTC
    took        INTEGER NOT NULL,     -- microseconds
    status      TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    cached_from TEXT    NOT NULL,
    fingerprint BLOB,                 -- keyed hash of resource and request
    request     BLOB    NOT NULL,     -- JSON
    answer      BLOB,                 -- JSON
    errors      BLOB                  -- JSON
) WITHOUT ROWID;
CREATE INDEX inquiries_agency ON inquiries (agency, id);
CREATE INDEX inquiries_answers ON inquiries (fingerprint, id) WHERE fingerprint IS NOT NULL AND source = 'agency' AND status = 'answered';

-- +goose Down
DROP TABLE inquiries;
