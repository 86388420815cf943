//! The digest of a text, by which it is known again.

use sha2::{Digest, Sha256};

/// SHA-256 of these bytes, in hexadecimal digits.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
