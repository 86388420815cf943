
// What the cache promises, and a way to it that can fail.
mod cache;
mod proxy;
