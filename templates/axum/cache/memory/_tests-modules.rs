
// What the cache costs.
mod lookup;
