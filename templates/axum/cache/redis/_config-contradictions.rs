        // A cache that does not respond must leave the time to read without it.
        let cache = self.cache.command_timeout + database;
        if cache >= self.http.request_timeout {
            env.refuse(format_args!(
                "REDIS_COMMAND_TIMEOUT_MS + DATABASE_ACQUIRE_TIMEOUT_MS + \
                 DATABASE_STATEMENT_TIMEOUT_MS is {cache:?}, not less than \
                 HTTP_REQUEST_TIMEOUT_MS, {:?}",
                self.http.request_timeout
            ));
        }
