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

/// What the server calls an error.
pub type Code = u16;

/// States that pass: they are not the client's fault, nor the service's.
pub const PASSING: &[Code] = &[
    1021, 1040, 1044, 1045, 1047, 1049, 1053, 1114, 1129, 1180, 1203, 1205, 1206, 1226, 1290, 1317,
    1461, 1615, 1637, 1792, 1836, 1874, 1881, 1927, 1969, 3024, 3032, 3100, 3118, 3168, 3169, 4031,
];

/// What a server says that has hung up, or has forgotten what it was told before.
pub const BROKEN: &[Code] = &[1053, 1243, 1927, 3169, 4031];

/// What a server says that is of no use: it takes no writes, its disk is full, it lets
/// nobody near the table, or has not got it.
pub const OF_NO_USE: &[Code] = &[1054, 1114, 1142, 1146, 1290];

/// What a server says that has undone a whole transaction.
pub const UNDONE: &[Code] = &[1020, 1213, 1412, 3101];

/// What a server says of a statement that is wrong.
pub const MISUSE: Code = 1054;

/// A packet that says so in the place of another one.
pub fn refusal(packet: &[u8], code: Code) -> Vec<u8> {
    let state = if code == MISUSE { "42S22" } else { "HY000" };
    let text = format!("#{state}refused");
    let length = u8::try_from(text.len() + 3).expect("it is short");
    let [low, high] = code.to_le_bytes();
    [&[length, 0, 0, packet[3], 0xff, low, high], text.as_bytes()].concat()
}
