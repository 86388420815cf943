//! People, the disk, processes.

pub mod ask;
pub mod cargo;
pub mod interrupt;
pub mod presets;
pub mod process;
pub mod project;
pub mod report;
pub mod verify;
pub mod watchdog;
