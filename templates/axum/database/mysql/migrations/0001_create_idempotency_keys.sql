-- Requests that are known again by their `Idempotency-Key`, of all resources. Nothing
-- of what was asked is kept but its hash. Times are in UTC.
CREATE TABLE idempotency_keys (
    -- What a key is unique in, such as a resource.
    scope           varchar(64)  COLLATE utf8mb4_bin NOT NULL,
    idempotency_key varchar(255) COLLATE utf8mb4_bin NOT NULL,
    request_hash    binary(32)   NOT NULL,
    -- What the first request made.
    item_id         binary(16)   NOT NULL,
    created_at      datetime(6)  NOT NULL,
    PRIMARY KEY (scope, idempotency_key),
    INDEX idempotency_keys_created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
