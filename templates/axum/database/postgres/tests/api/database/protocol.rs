//! Where a message of PostgreSQL's protocol ends:
//! <https://www.postgresql.org/docs/current/protocol-overview.html>.

use super::wire::From;

/// How many bytes tell the length: a kind and four bytes, but for the first message
/// of a client, which has no kind.
pub fn head(side: From, is_first: bool) -> usize {
    if side == From::Client && is_first { 4 } else { 5 }
}

/// How many bytes follow.
pub fn rest(head: &[u8]) -> usize {
    let length = head.last_chunk().expect("four bytes");
    // It counts itself.
    u32::from_be_bytes(*length) as usize - 4
}
