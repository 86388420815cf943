//! Who is at the other end of a connection, and whether it keeps the service
//! waiting. A connection that waits for its peer takes memory and a descriptor
//! while nothing is done for it: where there is no room for another connection,
//! the one that has waited longest makes it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;
use tokio::sync::Notify;

/// The peer of one connection. Clones are the same one. Each request has it among
/// its extensions.
#[derive(Clone)]
pub struct Peer(Arc<Inner>);

struct Inner {
    addr: SocketAddr,
    connected: Instant,
    /// For each of [`Awaited`]: since when the peer is waited for, in milliseconds
    /// after `connected`, plus one; 0 while it is not.
    since: [AtomicU64; 2],
    dismissed: Notify,
}

/// What a peer is waited for.
#[derive(Clone, Copy)]
pub enum Awaited {
    /// To send a request, or the rest of one.
    Request,
    /// To read a response.
    Reading,
}

impl Peer {
    /// A peer that has just connected, and whose request is waited for.
    pub fn new(addr: SocketAddr) -> Peer {
        let since = [AtomicU64::new(1), AtomicU64::new(0)];
        let dismissed = Notify::new();
        Peer(Arc::new(Inner { addr, connected: Instant::now(), since, dismissed }))
    }

    /// The address that the connection comes from.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// When it connected.
    pub fn connected(&self) -> Instant {
        self.0.connected
    }

    /// Notes that the peer is waited for, until the guard is dropped.
    pub fn wait(&self, awaited: Awaited) -> Waiting {
        let millis = u64::try_from(self.0.connected.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.since[awaited as usize].store(millis.saturating_add(1), Relaxed);
        Waiting { peer: self.clone(), awaited }
    }

    /// Whether it is waited for to do this.
    pub fn is_awaited(&self, awaited: Awaited) -> bool {
        self.0.since[awaited as usize].load(Relaxed) != 0
    }

    /// Since when it is waited for, if it is.
    pub fn awaited_since(&self) -> Option<Instant> {
        let since = self.0.since.iter().filter_map(|since| since.load(Relaxed).checked_sub(1));
        Some(self.0.connected + Duration::from_millis(since.min()?))
    }

    /// Asks its connection to close if the peer is still waited for.
    pub fn dismiss(&self) {
        self.0.dismissed.notify_one();
    }

    /// Waits until the connection is to close.
    pub async fn dismissed(&self) {
        loop {
            self.0.dismissed.notified().await;
            if self.awaited_since().is_some() {
                return;
            }
        }
    }
}

/// A peer is waited for as long as this exists.
#[must_use]
pub struct Waiting {
    peer: Peer,
    awaited: Awaited,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.peer.0.since[self.awaited as usize].store(0, Relaxed);
    }
}

/// A stream to a peer, which is waited for while it takes nothing of it.
pub struct Writer<W> {
    stream: W,
    peer: Peer,
    waiting: Option<Waiting>,
}

impl<W> Writer<W> {
    pub fn new(stream: W, peer: Peer) -> Writer<W> {
        Writer { stream, peer, waiting: None }
    }

    fn note<T>(&mut self, written: Poll<T>) -> Poll<T> {
        if written.is_ready() {
            self.waiting = None;
        } else if self.waiting.is_none() {
            self.waiting = Some(self.peer.wait(Awaited::Reading));
        }
        written
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Writer<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
