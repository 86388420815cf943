//! The digest of a text, by which it is known again. It finds what an accident changed, at a cost that a new project does not
//! notice; it is no proof against somebody who means to deceive, who could change the digest as well.

use xxhash_rust::xxh3::xxh3_128;

/// XXH3-128 of these bytes, in hexadecimal digits.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("{:032x}", xxh3_128(bytes.as_ref()))
}
