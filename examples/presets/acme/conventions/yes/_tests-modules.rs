
// What every API of ours promises.
mod conventions;
