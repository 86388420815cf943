//! Where a packet of MySQL's protocol ends:
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>.

use super::wire::From;

/// How many bytes tell the length: three of them, and a number.
pub fn head(_: From, _is_first: bool) -> usize {
    4
}

/// How many bytes follow.
pub fn rest(head: &[u8]) -> usize {
    usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16
}
