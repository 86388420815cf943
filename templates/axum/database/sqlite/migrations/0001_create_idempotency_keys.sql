-- Requests that are known again by their `Idempotency-Key`, of all resources. Nothing
-- of what was asked is kept but its hash. Times are microseconds since 1970 in UTC.
CREATE TABLE idempotency_keys (
    -- What a key is unique in, such as a resource.
    scope           TEXT    NOT NULL,
    idempotency_key TEXT    NOT NULL,
    request_hash    BLOB    NOT NULL,
    -- What the first request made.
    item_id         BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
