        process.envs(crate::cache::variables());
