    crate::cache::configure(&mut config.cache, variables);
