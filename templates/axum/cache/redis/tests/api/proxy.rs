//! A way to the cache on which anything can happen.

use std::net::SocketAddr;
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
fn parts(url: &str) -> (&str, &str, &str) {
    let authority = url.find("://").expect("a URL") + 3;
    let end = url[authority..].find('/').map_or(url.len(), |slash| authority + slash);
    let start = url[authority..end].find('@').map_or(authority, |at| authority + at + 1);
    (&url[..start], &url[start..end], &url[end..])
}

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug)]
enum Traffic {
    Flows,
    /// Answers are held back for so long.
    Slow(Duration),
    /// Connections are accepted, and nothing ever comes of them.
    Vanishes,
}

/// Carries connections from its own address to the cache.
pub struct Proxy {
    addr: SocketAddr,
    traffic: watch::Sender<Traffic>,
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

    /// Carries everything again.
    pub fn restore(&mut self) {
        self.traffic.send_replace(Traffic::Flows);
        if let Some(socket) = self.silent.take() {
            let listener = socket.listen(64).expect("nobody else listens");
            self.listening = Some(tokio::spawn(accept(listener, self.traffic.subscribe())));
        }
    }

    /// From now on, an answer takes so much longer.
    pub fn slow_down(&self, delay: Duration) {
        self.traffic.send_replace(Traffic::Slow(delay));
    }

    /// From now on, there is no answer.
    pub fn swallow(&self) {
        self.traffic.send_replace(Traffic::Vanishes);
    }
}

fn bind(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("it is new");
    socket.bind(addr).expect("the address is free");
    socket
}

async fn accept(listener: TcpListener, traffic: watch::Receiver<Traffic>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        connections.spawn(connect(client, traffic.clone()));
    }
}

async fn connect(client: TcpStream, traffic: watch::Receiver<Traffic>) {
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
    answers: bool,
) {
    let mut bytes = vec![0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let traffic = *traffic.borrow();
        match traffic {
            Traffic::Slow(delay) if answers => sleep(delay).await,
            Traffic::Flows | Traffic::Slow(_) => {}
            Traffic::Vanishes => continue,
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
