-- +goose Up

-- What agencies asked through the hub, and what they were answered; personal data masked.
CREATE TABLE inquiries (
    at          timestamptz NOT NULL,
    took        bigint      NOT NULL,   -- microseconds
    id          uuid        PRIMARY KEY, -- of version 7
    agency      text        COLLATE "C" NOT NULL,
    resource    text        COLLATE "C" NOT NULL,
    purpose     text        NOT NULL,
    status      text        COLLATE "C" NOT NULL,
    source      text        COLLATE "C" NOT NULL,
    outcome     text        COLLATE "C" NOT NULL,
    cached_from text        NOT NULL,
    fingerprint bytea,                  -- keyed hash of resource and request
    request     bytea       NOT NULL,   -- JSON
    answer      bytea,                  -- JSON
    errors      bytea                   -- JSON
);
CREATE INDEX inquiries_agency ON inquiries (agency, id);
CREATE INDEX inquiries_answers ON inquiries (fingerprint, id) WHERE fingerprint IS NOT NULL AND source = 'agency' AND status = 'answered';

-- +goose Down
DROP TABLE inquiries;
