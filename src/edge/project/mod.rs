//! Projects on the disk.

pub mod mirror;
pub mod new;
pub mod permissions;
pub mod repository;
pub mod workspace;
