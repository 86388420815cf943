//! Reads bodies before anything is done for their requests, so that a slow one takes
//! neither a place among those that are served nor any of their time, and within
//! limits: of each body, and of all together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::problem::Problem;

/// What a body may take without a share of what all have together, in bytes: larger
/// ones can keep each other out, and most are not larger.
pub const SHARE: u32 = 16 * 1024;

/// How much of a body is read, and for how long.
#[derive(Clone, Copy)]
pub struct BodyLimits {
    /// Of one body.
    pub bytes: u32,
    /// Of all bodies together, beyond the first [`SHARE`] of each.
    pub all_bytes: u32,
    /// For all of a body; half of it for the next piece.
    pub timeout: Duration,
}

/// Reads bodies. Clones share the limit of all.
#[derive(Clone)]
pub struct Bodies {
    limits: BodyLimits,
    room: Arc<Semaphore>,
}

/// A body that has been read.
pub struct Received {
    pub bytes: Bytes,
    pub room: Room,
}

/// What a body has of the limit of all, to be kept as long as its bytes are.
pub type Room = Option<OwnedSemaphorePermit>;

impl Bodies {
    pub fn new(limits: BodyLimits) -> Bodies {
        Bodies { limits, room: Arc::new(Semaphore::new(limits.all_bytes as usize)) }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    ///
    /// It is too large, too slow or broken off, or there is no room for it.
    pub async fn receive(&self, body: Body) -> Result<Received, Problem> {
        // A client that says how much it will send need not send it.
        if body.size_hint().lower() > self.limits.bytes.into() {
            return Err(self.too_large());
        }
        let received = timeout(self.limits.timeout, self.collect(body)).await;
        received.unwrap_or_else(|_| Err(too_slow()))
    }

    /// Each piece is copied: it shares its memory with what hyper has read beside it,
    /// so that a body of many small pieces would hold a thousand times its size.
    async fn collect(&self, mut body: Body) -> Result<Received, Problem> {
        let mut bytes = Vec::new();
        let mut room = None;
        loop {
            let frame = match timeout(self.limits.timeout / 2, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    let problem = Problem::new(StatusCode::BAD_REQUEST);
                    return Err(problem.detail("the body broke off"));
                }
                Ok(None) => return Ok(Received { bytes: bytes.into(), room }),
                Err(_) => return Err(too_slow()),
            };
            // Trailers say nothing that is asked for.
            let Ok(piece) = frame.into_data() else { continue };
            let length = bytes.len() + piece.len();
            if length > self.limits.bytes as usize {
                return Err(self.too_large());
            }
            if length > bytes.capacity() {
                let capacity = length.max(2 * bytes.capacity()).min(self.limits.bytes as usize);
                self.take_room(&mut room, capacity)?;
                bytes.reserve_exact(capacity - bytes.len());
            }
            bytes.extend_from_slice(&piece);
        }
    }

    /// Takes what a body of this many bytes may not have without.
    fn take_room(&self, room: &mut Room, bytes: usize) -> Result<(), Problem> {
        let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.saturating_sub(SHARE as usize + held);
        let missing = u32::try_from(missing).expect("it is within the limit of a body");
        let Ok(more) = Arc::clone(&self.room).try_acquire_many_owned(missing) else {
            return Err(Problem::overloaded("too many large bodies at once"));
        };
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    fn too_large(&self) -> Problem {
        let bytes = self.limits.bytes;
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail(format!("{bytes} bytes at the most"))
    }
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT).detail("the body came too slowly")
}
