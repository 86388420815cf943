//! What the program says.

/// A greeting for somebody.
pub fn to(whom: &str) -> String {
    format!("Hello, {whom}! How good to see you.")
}
