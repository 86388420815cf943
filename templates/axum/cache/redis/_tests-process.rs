        process.env("REDIS_URL", crate::proxy::url());
