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

/// What the server calls an error.
pub type Code = &'static str;

/// States that pass: they are not the client's fault, nor the service's.
pub const PASSING: &[Code] = &[
    "08006", "25P02", "25P03", "26000", "28000", "28P01", "3D000", "40003", "42501", "53100",
    "53200", "53300", "55006", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "58030",
];

/// What a server says that has hung up, or has forgotten what it was told before.
pub const BROKEN: &[Code] = &["08006", "26000", "57P01", "57P05"];

/// What a server says that is of no use: it takes no writes, its disk is full, it lets
/// nobody near the table, or has not got it.
pub const OF_NO_USE: &[Code] = &["25006", "42501", "42703", "42P01", "53100"];

/// What a server says that has undone a whole transaction.
pub const UNDONE: &[Code] = &["40001", "40P01"];

/// What a server says of a statement that is wrong.
pub const MISUSE: Code = "42703";

/// A message that says so in the place of another one.
pub fn refusal(_: &[u8], code: Code) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{code}\0Mrefused\0\0");
    let length = u32::try_from(fields.len() + 4).expect("it is short");
    [&b"E"[..], &length.to_be_bytes(), fields.as_bytes()].concat()
}
