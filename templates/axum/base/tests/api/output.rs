//! What the service logs, kept to be read by the test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::app::eventually;

/// Takes what is logged. Clones take it to the same place.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// What has been written up to now.
    pub fn text(&self) -> String {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(written).expect("the log is text")
    }

    /// All lines up to now.
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The lines of all requests up to now that carry this id.
    pub fn requests(&self, id: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["message"] == "request" && line["request_id"] == id);
        lines
    }

    /// Waits for the line of the request with this id.
    pub async fn request(&self, id: &str) -> Value {
        eventually(&format!("the line of {id}"), async || self.requests(id).pop()).await
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
