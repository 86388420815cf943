//! Keeps bodies within limits: of each, and of all together. Those of requests are read
//! before anything is done for them, so that a slow one takes neither a place among
//! those that are served nor any of their time. Those of responses count until the
//! client has read them.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, iter};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::problem::{CLIENT_DISCONNECTED, Problem};
use crate::server::peer::Peer;

/// What a body may take without a share of what all have together, in bytes: larger
/// ones can keep each other out, and most are not larger.
pub const SHARE: u32 = 16 * 1024;

/// How long it takes at most until a peer that is to go is asked again.
const ASKED_AGAIN: Duration = Duration::from_millis(100);

/// How much bodies may take, and for how long.
#[derive(Clone, Copy)]
pub struct BodyLimits {
    /// Of the body of one request.
    pub bytes: u32,
    /// Of all bodies together, beyond the first [`SHARE`] of each.
    pub all_bytes: u32,
    /// For a client to send all of a body, half of it for the next piece, or to read
    /// one that is larger than its share.
    pub timeout: Duration,
}

/// Reads bodies, and knows of all that there are. Clones share the limit of all.
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
                Ok(Some(Err(error))) => return Err(broken(&error)),
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

    /// Has the body of a response count until it is read. A stream does not: little of
    /// it is there at a time, and nobody knows how long it is.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub fn hold(&self, response: Response, peer: Option<&Peer>) -> Result<Response, Problem> {
        let size = response.body().size_hint().exact().unwrap_or(0);
        if size <= SHARE.into() {
            return Ok(response);
        }
        // One that is larger than all may be takes all.
        let all = u64::from(self.limits.all_bytes) + u64::from(SHARE);
        let mut room = None;
        self.take_room(&mut room, usize::try_from(size.min(all)).expect("it has 32 bits"))?;
        let (unread, read) = oneshot::channel();
        if let Some(peer) = peer {
            tokio::spawn(dismiss_unless(read, self.limits.timeout, peer.clone()));
        }
        let held = Arc::new(Held { _room: room, _unread: unread });
        Ok(response.map(|body| Body::new(HeldBody { body, held })))
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

/// Of a body that has no end. Its client is gone, or has at least said that nothing
/// more comes, unless what came is no HTTP.
fn broken(error: &axum::Error) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST);
    let causes = iter::successors(error.source(), |&error| error.source());
    let mut causes = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    let is_no_http = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    };
    if causes.any(is_no_http) {
        return problem.detail("the body is not sent as HTTP asks for");
    }
    problem.detail("the body broke off").because(CLIENT_DISCONNECTED)
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT).detail("the body came too slowly")
}

/// Lets go of a peer that has not read all in time.
async fn dismiss_unless(mut read: oneshot::Receiver<()>, time: Duration, peer: Peer) {
    let mut time = time;
    while timeout(time, &mut read).await.is_err() {
        peer.dismiss();
        time = ASKED_AGAIN;
    }
}

/// What there is of a response until its last byte is written.
struct Held {
    _room: Room,
    /// Nothing is sent: that it is dropped says all.
    _unread: oneshot::Sender<()>,
}

/// A body whose pieces are held, wherever they are kept until they are written.
struct HeldBody {
    body: Body,
    held: Arc<Held>,
}

struct HeldPiece {
    bytes: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for HeldPiece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl hyper::body::Body for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let held = &self.held;
        let hold = |bytes| Bytes::from_owner(HeldPiece { bytes, _held: Arc::clone(held) });
        frame.map_ok(|frame| frame.map_data(hold))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
