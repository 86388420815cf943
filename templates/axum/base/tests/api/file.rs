//! A file for a test, such as one that a secret is mounted as.

use std::fs;
use std::path::PathBuf;

use uuid::Uuid;

/// It is removed with it.
pub struct TestFile(PathBuf);

impl TestFile {
    /// One that holds this.
    pub fn new(content: impl AsRef<[u8]>) -> TestFile {
        let file = TestFile::missing();
        fs::write(&file.0, content).expect("a directory of the tests");
        file
    }

    /// One that is not there.
    pub fn missing() -> TestFile {
        TestFile(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().to_string()))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("the path is UTF-8")
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        // One that stays costs a few kilobytes under `target`.
        let _ = fs::remove_file(&self.0);
    }
}
