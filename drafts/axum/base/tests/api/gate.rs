//! Handlers that are trouble, inside the one layer of the service: `/test/wait`
//! answers when the gate is opened, `/test/panic` panics, and `/test/large` has
//! more to say than a connection holds.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::app::PATIENCE;

/// Holds requests until it is opened. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// Nobody gets a permit; everybody goes on when it is closed.
    shut: Semaphore,
    entered: watch::Sender<usize>,
    left: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Gate {
        let count = || watch::Sender::new(0);
        Gate(Arc::new(Inner { shut: Semaphore::new(0), entered: count(), left: count() }))
    }
}

impl Gate {
    /// Lets everybody through, now and from now on.
    pub fn open(&self) {
        self.0.shut.close();
    }

    /// Waits until this many handlers have come to the gate.
    pub async fn entered(&self, handlers: usize) {
        reached(&self.0.entered, handlers).await;
    }

    /// Waits until this many handlers have gone on to their end.
    pub async fn left(&self, handlers: usize) {
        reached(&self.0.left, handlers).await;
    }

    /// How many have done so.
    pub fn has_let_through(&self) -> usize {
        *self.0.left.borrow()
    }
}

async fn reached(count: &watch::Sender<usize>, expected: usize) {
    let mut count = count.subscribe();
    let reached = count.wait_for(|count| *count >= expected);
    timeout(PATIENCE, reached).await.expect("handlers get here").expect("the gate stands");
}

pub fn routes(gate: Gate) -> Router {
    Router::new()
        .route("/test/wait", any(wait))
        .route("/test/panic", any(panic))
        .route("/test/large", any(large))
        .with_state(gate)
}

async fn wait(State(Gate(gate)): State<Gate>) -> &'static str {
    gate.entered.send_modify(|count| *count += 1);
    let _ = gate.shut.acquire().await;
    gate.left.send_modify(|count| *count += 1);
    "done"
}

async fn panic() {
    panic!("a secret that no client may see");
}

async fn large() -> Vec<u8> {
    vec![b'x'; 32 * 1024 * 1024]
}
