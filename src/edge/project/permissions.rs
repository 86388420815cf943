//! The modes of what is written. On Windows there are none: what a file can be used for is said by its name.

use std::fs::OpenOptions;

use tempfile::Builder;

/// The mode of any new file, before the user's mask.
pub const USUAL: u32 = 0o666;
/// The mode of what can be run, and of directories.
pub const RUNS: u32 = 0o777;

/// Gives what is temporary at first a mode for good.
#[cfg(unix)]
pub fn set(builder: &mut Builder, mode: u32) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
}

#[cfg(not(unix))]
pub fn set(_: &mut Builder, _: u32) {}

/// Gives a new file its mode.
#[cfg(unix)]
pub fn open_with(options: &mut OpenOptions, mode: u32) {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
}

#[cfg(not(unix))]
pub fn open_with(_: &mut OpenOptions, _: u32) {}
