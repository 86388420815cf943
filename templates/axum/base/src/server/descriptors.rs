//! How many file descriptors there are for connections. Without one no connection
//! is accepted, no file opened and no database reached, so those that clients can
//! take are bounded, and the rest is kept for everything else.

use std::io;

/// How many of the `wanted` connections the process can have open beside the
/// `reserved` descriptors. Its limit is raised where the system lets it.
///
/// # Errors
///
/// There are too few for even one connection.
pub fn connections(wanted: usize, reserved: usize) -> io::Result<usize> {
    let limit = raise_limit(wanted.saturating_add(reserved))?;
    let connections = wanted.min(limit.saturating_sub(reserved));
    if connections == 0 {
        return Err(io::Error::other(format!(
            "the process may open {limit} files and needs {reserved} without any connection: \
             raise `ulimit -n`"
        )));
    }
    if connections < wanted {
        tracing::warn!(connections, limit, "`ulimit -n` allows fewer than HTTP_MAX_CONNECTIONS");
    }
    Ok(connections)
}

#[cfg(unix)]
fn raise_limit(wanted: usize) -> io::Result<usize> {
    let limit = rlimit::increase_nofile_limit(u64::try_from(wanted).unwrap_or(u64::MAX))?;
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raise_limit(wanted: usize) -> io::Result<usize> {
    Ok(wanted)
}
