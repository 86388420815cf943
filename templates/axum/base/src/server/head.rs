//! How long the head of a request is waited for. hyper has one timer for it,
//! which runs from the end of one request to the end of the head of the next.
//! A connection may be idle for longer than a head may take, so the time that is
//! left changes here when the first byte comes. What came together with the request
//! before does not count: hyper has it, and does not tell. Such a head may wait as an
//! idle connection does, and as that makes room for another one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, ReadBuf};

use super::peer::{Awaited, Peer, Waiting};

/// How long a client that has closed its sending half is served. Most of them are gone,
/// and a read that nobody waits for is not worth its end; the others wait for a
/// response, which most requests have long before.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// The same of a client that has broken the connection: long enough to begin.
const BROKEN: Duration = Duration::from_millis(1);

/// The timer of one connection. hyper asks it for one sleep a head, polls that
/// after each read that has not completed the head, and drops it after that.
pub struct HeadTimer {
    head: Duration,
    idle: Duration,
    first: AtomicBool,
    begun: Arc<AtomicBool>,
    peer: Peer,
}

impl HeadTimer {
    /// A head may take `head`, and a connection be idle for `idle` before it. A
    /// new connection is not idle: its client has something to say.
    pub fn new(head: Duration, idle: Duration, peer: Peer) -> HeadTimer {
        HeadTimer { head, idle, first: AtomicBool::new(true), begun: Arc::default(), peer }
    }

    /// The stream that the heads come from.
    pub fn watch<R>(&self, stream: R) -> Watched<R> {
        let (begun, peer) = (Arc::clone(&self.begun), self.peer.clone());
        Watched { stream, begun, peer, ended: None }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.begun.store(self.first.swap(false, Relaxed), Relaxed);
        Box::pin(Wait {
            sleep: Box::pin(tokio::time::sleep(self.idle)),
            head: Some(self.head),
            begun: Arc::clone(&self.begun),
            _waiting: self.peer.wait(Awaited::Request),
        })
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(self.idle)
    }
}

/// The wait for one head.
struct Wait {
    sleep: Pin<Box<tokio::time::Sleep>>,
    /// What the head may take; none when it has begun.
    head: Option<Duration>,
    begun: Arc<AtomicBool>,
    _waiting: Waiting,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.begun.load(Relaxed)
            && let Some(head) = self.head.take()
        {
            self.sleep.as_mut().reset(tokio::time::Instant::now() + head);
        }
        self.sleep.as_mut().poll(context)
    }
}

impl Sleep for Wait {}

/// A stream that tells its [`HeadTimer`] when bytes have come.
///
/// Its end comes late to hyper while a request is served. hyper drops the request at
/// the end of the stream, and looks for that before it begins to serve: who sends a
/// request and closes the sending half at once, as `nc -N` does, would get no response,
/// and would not be counted either.
pub struct Watched<R> {
    stream: R,
    begun: Arc<AtomicBool>,
    peer: Peer,
    /// When hyper learns of the end.
    ended: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.begun.store(true, Relaxed);
        } else if !self.peer.is_awaited(Awaited::Request) {
            // One that has broken the connection is gone, and counted all the same.
            let time = if read.is_ok() { HALF_CLOSED } else { BROKEN };
            let ended = self.ended.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
            ready!(ended.as_mut().poll(context));
        }
        Poll::Ready(read)
    }
}
