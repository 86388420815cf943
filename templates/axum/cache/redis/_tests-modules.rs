
// What the cache promises, and a way to it that can fail.
mod authority;
mod cache;
mod proxy;
