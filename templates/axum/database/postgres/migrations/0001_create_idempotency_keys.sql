-- Requests that are known again by their `Idempotency-Key`, of all resources. Nothing
-- of what was asked is kept but its hash.
CREATE TABLE idempotency_keys (
    -- What a key is unique in, such as a resource.
    scope           text        NOT NULL,
    idempotency_key text        NOT NULL,
    request_hash    bytea       NOT NULL,
    -- What the first request made.
    item_id         uuid        NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
