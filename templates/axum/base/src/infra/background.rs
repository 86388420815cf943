//! What the service does unasked. No request waits for it, so that nothing but
//! the log would tell of its end.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;

use crate::telemetry::panic_message;

/// Does `task`, and tells the log if it panics. Returns whether it has come to its
/// end.
pub async fn watched(name: &'static str, task: impl Future<Output = ()>) -> bool {
    let ended = AssertUnwindSafe(task).catch_unwind().await;
    if let Err(panic) = &ended {
        let panic = panic_message(&**panic);
        tracing::error!(task = name, panic, "a background task panicked");
    }
    ended.is_ok()
}

/// Does `task` again and again, with a pause before each time. One that panics
/// does not keep the next from being done.
pub async fn repeat(name: &'static str, pause: Duration, task: impl AsyncFn()) {
    loop {
        sleep(pause).await;
        watched(name, task()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::sync::Notify;

    use super::*;
    use crate::telemetry::logged::Logged;

    #[tokio::test]
    async fn a_task_that_panics_is_told_of_and_done_again() {
        let logged = Logged::start();
        let (times, again) = (Cell::new(0), Notify::new());
        let task = async || {
            times.set(times.get() + 1);
            assert!(times.get() > 1, "it stumbles");
            again.notify_one();
            pending().await
        };
        tokio::select! {
            () = repeat("ping", Duration::ZERO, task) => {}
            () = again.notified() => {}
        }
        let lines = logged.end();
        for part in ["ERROR", "a background task panicked", r#""task":"ping""#, "it stumbles"] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
    }
}
