    environment.extend(crate::cache::variables());
