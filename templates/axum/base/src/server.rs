//! Accepts connections and lets go of them. axum's own `serve` sets no timer and
//! no bound: half a request head would hold a connection, and a shutdown, for ever,
//! and enough of them all memory.

pub mod descriptors;
mod head;
pub mod peer;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{self, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use self::head::HeadTimer;
use self::peer::{Peer, Writer};
use crate::telemetry::REQUEST_TARGET;

/// The longest head of a request, in bytes; hyper answers a longer one with 431.
pub const MAX_HEAD: usize = 16 * 1024;

/// What hyper keeps of a connection at most, in bytes: read and not yet used, and as
/// much again that is not yet sent.
pub const MAX_BUFFER: usize = MAX_HEAD;

/// What the system keeps of a connection in each direction, in bytes; Linux takes twice
/// as much for it. By itself it would keep megabytes for a client that sends what
/// nobody needs yet, or does not read, and count them as the pod's. With less than the
/// largest packet, which is 64 KiB on loopback, each one would wait for the one before.
const SOCKET_BUFFER: u32 = 64 * 1024;

/// How many connections wait for the server to accept them.
const BACKLOG: u32 = 1_024;

/// How long to wait for a connection to end, where each has something to do and
/// there is no room for another one.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// How long a new connection has for its first request before it may have to make room:
/// the request may be here already, and its client would not repeat it.
const FIRST_REQUEST: Duration = Duration::from_millis(100);

/// How long a connection that looks idle is kept when the server stops: a request may
/// be on its way.
const LAST_REQUEST: Duration = Duration::from_millis(100);

/// How often the log tells that there is no room.
const FULL_TOLD: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the process has no file
/// descriptor left: long enough for a connection to end, short for a client.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that is bound but serves nobody yet.
pub struct Server {
    listener: TcpListener,
    timeouts: Timeouts,
    connections: Connections,
}

/// How many connections there are. Clones count the same ones.
#[derive(Clone)]
pub struct Connections(Arc<Counts>);

struct Counts {
    max: usize,
    open: AtomicUsize,
    /// Whether another one waits for room.
    is_full: AtomicBool,
    dismissed: AtomicU64,
    unreadable: AtomicU64,
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// One of the two had no more to say, or was too slow, or is gone.
    Closed,
    /// It made room for another one, or its client read a large response too slowly.
    Dismissed,
    /// What came was no request, or one with too long a head.
    Unreadable,
}

/// How long the peer of a connection may take.
#[derive(Clone, Copy)]
pub struct Timeouts {
    /// For the head of a request.
    pub header: Duration,
    /// To begin another request on the same connection.
    pub idle: Duration,
    /// For reading any of an answer: who never reads must not hold us for ever.
    pub write: Duration,
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request under way was answered.
    Clean,
    /// The deadline passed first, and connections were cut.
    Cut(usize),
}

impl Server {
    /// Binds `addr`, for this many connections at once; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours to take.
    pub fn bind(
        addr: SocketAddr,
        timeouts: Timeouts,
        max_connections: usize,
    ) -> io::Result<Server> {
        let listener = listen(addr)?;
        Ok(Server { listener, timeouts, connections: Connections::new(max_connections) })
    }

    /// How many connections there are.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The address that is bound.
    ///
    /// # Errors
    ///
    /// The operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves `router` until `stop`, then finishes what is under way within
    /// `drain_timeout`.
    pub async fn run(
        self,
        router: Router,
        stop: CancellationToken,
        drain_timeout: Duration,
    ) -> Drained {
        let Server { listener, timeouts, connections } = self;
        let mut open = Open {
            tasks: JoinSet::new(),
            peers: HashMap::new(),
            connections: connections.clone(),
            told: None,
        };
        let serve = {
            let stop = stop.clone();
            move |stream, peer| {
                let (router, connections) = (router.clone(), connections.clone());
                serve(stream, peer, timeouts, router, connections, stop.clone())
            }
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = open.one_ends() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, addr)) => {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = open.make_room() => {}
                        }
                        let peer = Peer::new(addr);
                        open.spawn(peer.clone(), serve(stream, peer));
                    }
                    Err(error) if is_the_peers(&error) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot accept connections");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        let room = open.connections.max().saturating_sub(open.peers.len());
        for (stream, addr) in backlog(listener, room).unwrap_or_default() {
            let peer = Peer::new(addr);
            open.spawn(peer.clone(), serve(stream, peer));
        }

        let drained = async {
            while !open.peers.is_empty() {
                open.one_ends().await;
            }
        };
        match timeout(drain_timeout, drained).await {
            Ok(()) => Drained::Clean,
            Err(_) => {
                let cut = open.peers.len();
                open.tasks.shutdown().await;
                Drained::Cut(cut)
            }
        }
    }
}

impl Connections {
    fn new(max: usize) -> Connections {
        Connections(Arc::new(Counts {
            max,
            open: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            dismissed: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        }))
    }

    /// How many there may be at once.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.open.load(Relaxed)
    }

    /// Whether another one waits for room.
    fn is_full(&self) -> bool {
        self.0.is_full.load(Relaxed)
    }

    /// How many were closed, since the start, to make room for others, or because their
    /// clients read a large response too slowly.
    pub fn dismissed(&self) -> u64 {
        self.0.dismissed.load(Relaxed)
    }

    /// How many have sent what is no request, or one with too long a head, since the
    /// start. hyper answers these, with a 400, 414 or 431 without a body.
    pub fn unreadable(&self) -> u64 {
        self.0.unreadable.load(Relaxed)
    }
}

/// The connections that are open.
struct Open {
    tasks: JoinSet<End>,
    peers: HashMap<task::Id, Peer>,
    connections: Connections,
    /// When the log was last told that there is no room.
    told: Option<Instant>,
}

impl Open {
    fn spawn(&mut self, peer: Peer, serve: impl Future<Output = End> + Send + 'static) {
        let task = self.tasks.spawn(serve).id();
        self.peers.insert(task, peer);
        self.connections.0.open.store(self.peers.len(), Relaxed);
    }

    /// Waits until one ends, for ever if there is none.
    async fn one_ends(&mut self) {
        let task = match self.tasks.join_next_with_id().await {
            Some(Ok((task, end))) => {
                let Counts { dismissed, unreadable, .. } = &*self.connections.0;
                dismissed.fetch_add(u64::from(end == End::Dismissed), Relaxed);
                unreadable.fetch_add(u64::from(end == End::Unreadable), Relaxed);
                task
            }
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        self.peers.remove(&task);
        self.connections.0.open.store(self.peers.len(), Relaxed);
    }

    /// Waits until there is room for another one. Until then each response is the last on
    /// its connection. The connection whose peer has been waited for longest is closed,
    /// too, so that clients who send nothing keep out nobody. One with something to do
    /// stays, and so does a new one, for a moment.
    async fn make_room(&mut self) {
        let max = self.connections.max();
        while self.peers.len() >= max {
            self.connections.0.is_full.store(true, Relaxed);
            if self.told.is_none_or(|told| told.elapsed() >= FULL_TOLD) {
                tracing::warn!(max, "no room for another connection: one that is idle makes it");
                self.told = Some(Instant::now());
            }
            let peers = self.peers.values();
            let awaited = peers.filter_map(|peer| Some((peer.awaited_since()?, peer)));
            let spared = |peer: &Peer| peer.connected().elapsed() < FIRST_REQUEST;
            let may_go = awaited.filter(|(_, peer)| !spared(peer));
            if let Some((_, peer)) = may_go.min_by_key(|(since, _)| *since) {
                peer.dismiss();
            }
            let _ = timeout(FULL_PAUSE, self.one_ends()).await;
        }
        self.connections.0.is_full.store(false, Relaxed);
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // After a restart there are still connections of the process before. Windows means
    // something else by it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    // Those that are accepted have what the listener has.
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves one connection, from its first byte to its last.
fn serve(
    stream: TcpStream,
    peer: Peer,
    timeouts: Timeouts,
    router: Router,
    connections: Connections,
    stop: CancellationToken,
) -> impl Future<Output = End> + use<> {
    // Small answers must not wait for a full packet. Not being able to say
    // so makes them slower, no more.
    let _ = stream.set_nodelay(true);
    let Timeouts { header, idle, write } = timeouts;
    let (reader, writer) = stream.into_split();
    let timer = HeadTimer::new(header, idle, peer.clone());
    let reader = timer.watch(reader);
    let mut writer = TimeoutWriter::new(Writer::new(writer, peer.clone()));
    writer.set_timeout(Some(write));
    let stream = TokioIo::new(Box::pin(tokio::io::join(reader, writer)));
    let router = TowerToHyperService::new(router);
    let requests_peer = peer.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(requests_peer.clone());
        let (response, connections) = (router.call(request), connections.clone());
        async move {
            let response = response.await?;
            Ok::<_, Infallible>(if connections.is_full() { last(response) } else { response })
        }
    });
    let connection = http1::Builder::new()
        .timer(timer)
        // Any time turns the timer on, which knows its own.
        .header_read_timeout(header)
        .max_buf_size(MAX_BUFFER)
        .max_header_size(MAX_HEAD)
        .serve_connection(stream, service);
    async move {
        let mut connection = pin!(connection);
        let served = tokio::select! {
            // A request that is here already is taken before the connection
            // learns that it was the last, or that it is in the way.
            biased;
            served = connection.as_mut() => served,
            () = stop.cancelled() => match timeout(LAST_REQUEST, connection.as_mut()).await {
                Ok(served) => served,
                Err(_) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            },
            () = peer.dismissed() => return End::Dismissed,
        };
        match served {
            Err(error) if error.is_parse() => {
                let client = peer.addr().ip();
                tracing::info!(target: REQUEST_TARGET, %client, %error, "an unreadable request");
                return End::Unreadable;
            }
            Err(error) => tracing::debug!(%error, "a connection ended early"),
            Ok(()) => {}
        }
        End::Closed
    }
}

/// A response after which the connection ends.
pub fn last<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Up to `room` connections that nobody has accepted yet. Their clients have sent a
/// request, or are about to, and do not know that it is too late.
fn backlog(listener: TcpListener, room: usize) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    // It does not wait, nor for news of tokio's.
    let listener = listener.into_std()?;
    let mut accepted = Vec::new();
    while accepted.len() < room {
        match listener.accept() {
            Ok((stream, addr)) => {
                stream.set_nonblocking(true)?;
                accepted.push((TcpStream::from_std(stream)?, addr));
            }
            Err(error) if is_the_peers(&error) => {}
            Err(_) => break,
        }
    }
    Ok(accepted)
}

/// Errors of one connection that died in the queue say nothing of the listener.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
