//! One module a command, each a page.

pub mod new;
pub mod preset;
pub mod verify;
