//! Projects on the disk.

pub mod demo;
mod disk;
pub mod format;
mod journal;
pub mod new;
pub mod permissions;
pub mod read;
pub mod repository;
pub mod transaction;
pub mod workspace;
