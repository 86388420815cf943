//! What is pure: texts in, texts out.

pub mod author;
pub mod render;

pub mod record;

pub mod answers;
pub mod preset;

pub mod merge;
pub mod plan;
pub mod tree;

pub mod cargo_lock;
pub mod cargo_toml;
pub mod digest;
pub mod harmless;
pub mod names;
pub mod plural;
pub mod problem;
pub mod reserved;
pub mod secrets;
pub mod workspace;
