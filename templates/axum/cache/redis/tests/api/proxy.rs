//! A way to the cache on which anything can happen.

use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// `TEST_REDIS_URL`: the cache that the tests use.
pub fn url() -> String {
    std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned())
}

/// The same with what may stand before and after the address.
pub fn parts(url: &str) -> (&str, &str, &str) {
    let authority = url.find("://").expect("a URL") + 3;
    let end = url[authority..].find('/').map_or(url.len(), |slash| authority + slash);
    let start = url[authority..end].find('@').map_or(authority, |at| authority + at + 1);
    (&url[..start], &url[start..end], &url[end..])
}

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug)]
enum Traffic {
    Flows,
    /// Responses are held back for so long.
    Slow(Duration),
    /// A connection takes so long to be made, and is as fast as any other then.
    SlowToStart(Duration),
    /// Connections are accepted, and nothing ever comes of them.
    Vanishes,
    /// The cache refuses the commands that this picks, with this error.
    Refused(Pick, &'static str),
}

/// Picks commands by their words.
type Pick = fn(&[&[u8]]) -> bool;

/// Carries connections from its own address to the cache.
pub struct Proxy {
    addr: SocketAddr,
    traffic: watch::Sender<Traffic>,
    connections: Arc<AtomicUsize>,
    /// Holds the address while nobody listens.
    silent: Option<TcpSocket>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// One that carries everything.
    pub fn start() -> Proxy {
        let mut proxy = Proxy::refusing();
        proxy.restore();
        proxy
    }

    /// One that refuses connections.
    pub fn refusing() -> Proxy {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0)));
        Proxy {
            addr: socket.local_addr().expect("it is bound"),
            traffic: watch::Sender::new(Traffic::Flows),
            connections: Arc::default(),
            silent: Some(socket),
            listening: None,
        }
    }

    /// Leads to the cache through here.
    pub fn url(&self) -> String {
        let url = url();
        let (before, _, after) = parts(&url);
        format!("{before}{}{after}", self.addr)
    }

    /// Cuts all connections and refuses new ones.
    pub async fn refuse(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // It can only have been cancelled.
            let _ = listening.await;
            self.silent = Some(bind(self.addr));
        }
    }

    /// Takes connections again.
    pub fn listen(&mut self) {
        if let Some(socket) = self.silent.take() {
            let listener = socket.listen(64).expect("the address is free");
            let connections = Arc::clone(&self.connections);
            let accepting = accept(listener, self.traffic.subscribe(), connections);
            self.listening = Some(tokio::spawn(accepting));
        }
    }

    /// Carries everything again.
    pub fn restore(&mut self) {
        self.traffic.send_replace(Traffic::Flows);
        self.listen();
    }

    /// From now on, a response takes so much longer.
    pub fn slow_down(&self, delay: Duration) {
        self.traffic.send_replace(Traffic::Slow(delay));
    }

    /// From now on, it takes so long to connect.
    pub fn slow_to_start(&self, delay: Duration) {
        self.traffic.send_replace(Traffic::SlowToStart(delay));
    }

    /// From now on, there is no response.
    pub fn swallow(&self) {
        self.traffic.send_replace(Traffic::Vanishes);
    }

    /// From now on, the cache refuses the commands that `pick` picks.
    pub fn refuse_commands(&self, pick: Pick, error: &'static str) {
        self.traffic.send_replace(Traffic::Refused(pick, error));
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

fn bind(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("it is new");
    socket.bind(addr).expect("the address is free");
    socket
}

async fn accept(
    listener: TcpListener,
    traffic: watch::Receiver<Traffic>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        accepted.fetch_add(1, SeqCst);
        connections.spawn(connect(client, traffic.clone()));
    }
}

async fn connect(client: TcpStream, traffic: watch::Receiver<Traffic>) {
    let start = *traffic.borrow();
    if let Traffic::SlowToStart(delay) = start {
        sleep(delay).await;
    }
    let url = url();
    let (_, address, _) = parts(&url);
    let server = TcpStream::connect(address).await.expect("the cache of TEST_REDIS_URL runs");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = carry(from_client, to_server, traffic.clone(), false) => {}
        () = carry(from_server, to_client, traffic, true) => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    traffic: watch::Receiver<Traffic>,
    responses: bool,
) {
    let mut bytes = vec![0; 4096];
    let mut held = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        held.extend_from_slice(&bytes[..length]);
        let traffic = *traffic.borrow();
        let carried = match traffic {
            Traffic::Vanishes => {
                held.clear();
                continue;
            }
            Traffic::Refused(pick, error) if !responses => refuse(&mut held, pick, error),
            Traffic::Slow(delay) if responses => {
                sleep(delay).await;
                mem::take(&mut held)
            }
            _ => mem::take(&mut held),
        };
        if to.write_all(&carried).await.is_err() {
            return;
        }
    }
}

/// Takes the whole commands out of `held`. Those that `pick` picks become a script
/// that does nothing but fail with `error`, so that responses keep their order.
fn refuse(held: &mut Vec<u8>, pick: Pick, error: &str) -> Vec<u8> {
    let script = "return redis.error_reply(ARGV[1])";
    let refused = redis::cmd("EVAL").arg(script).arg(0).arg(error).get_packed_command();
    let mut carried = Vec::new();
    while let Some((end, words)) = command(held) {
        let picked = pick(&words);
        carried.extend_from_slice(if picked { &refused } else { &held[..end] });
        held.drain(..end);
    }
    carried
}

/// Where the first command ends, and its words; nothing if it is not whole.
fn command(bytes: &[u8]) -> Option<(usize, Vec<&[u8]>)> {
    let (count, mut end) = number(bytes, 0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, start) = number(bytes, end)?;
        words.push(bytes.get(start..start + length)?);
        end = start + length + 2;
    }
    (end <= bytes.len()).then_some((end, words))
}

/// The number of the line that begins at `start`, and where the next one begins.
fn number(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let line = bytes.get(start + 1..)?;
    let length = line.windows(2).position(|end| end == b"\r\n")?;
    let number = std::str::from_utf8(&line[..length]).ok()?.parse().ok()?;
    Some((number, start + 1 + length + 2))
}
