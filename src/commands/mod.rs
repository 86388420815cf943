//! One module a command, each a page.

pub mod completions;
pub mod man;
pub mod new;
pub mod preset;
pub mod verify;
