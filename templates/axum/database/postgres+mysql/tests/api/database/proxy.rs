//! The network between the service and a server, with what can happen to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It arrives after this time.
    Pass(Duration),
    /// It does not arrive before another mode is set, and nobody is told.
    Silent,
}

/// Listens on a port of its own and passes on what it is sent.
pub struct Proxy {
    pub addr: SocketAddr,
    server: String,
    mode: watch::Sender<Mode>,
    /// The listener and all connections, which end with it.
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// In front of `server`, a host and a port.
    pub async fn start(server: String) -> Proxy {
        Proxy::on(Ipv4Addr::LOCALHOST.into(), server).await
    }

    /// The same, on an address of this host.
    pub async fn on(host: IpAddr, server: String) -> Proxy {
        let listener = TcpListener::bind((host, 0)).await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let mode = watch::Sender::new(Mode::Pass(Duration::ZERO));
        let running = tokio::spawn(run(listener, server.clone(), mode.clone()));
        Proxy { addr, server, mode, running: Mutex::new(Some(running)) }
    }

    /// All is well from now on.
    pub async fn pass(&self) {
        self.set(Mode::Pass(Duration::ZERO)).await;
    }

    /// Everything that is sent, in either direction, is late by this.
    pub async fn slow(&self, delay: Duration) {
        self.set(Mode::Pass(delay)).await;
    }

    /// A black hole: it accepts and never answers, and what is under way is not
    /// heard of again.
    pub async fn silence(&self) {
        self.set(Mode::Silent).await;
    }

    /// Nobody listens, and all connections are broken off.
    pub async fn refuse(&self) {
        self.end(&mut *self.running.lock().await).await;
    }

    /// All connections are broken off, and new ones are welcome, as after a
    /// restart of the server.
    pub async fn cut(&self) {
        self.refuse().await;
        self.pass().await;
    }

    async fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        let mut running = self.running.lock().await;
        if running.is_none() {
            let listener = TcpListener::bind(self.addr).await.expect("the port is still free");
            let run = run(listener, self.server.clone(), self.mode.clone());
            *running = Some(tokio::spawn(run));
        }
    }

    async fn end(&self, running: &mut Option<JoinHandle<()>>) {
        if let Some(running) = running.take() {
            running.abort();
            let _ = running.await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = self.running.get_mut().take() {
            running.abort();
        }
    }
}

async fn run(listener: TcpListener, server: String, mode: watch::Sender<Mode>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("it listens");
        connections.spawn(connect(client, server.clone(), mode.subscribe()));
    }
}

/// One connection, until either side ends it.
async fn connect(mut client: TcpStream, server: String, mode: watch::Receiver<Mode>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        _ = pass(from_client, to_server, mode.clone()) => {}
        _ = pass(from_server, to_client, mode) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let passes = mode.wait_for(|mode| *mode != Mode::Silent).await;
        let delay = match passes.map(|mode| *mode) {
            Ok(Mode::Pass(delay)) => delay,
            _ => return Ok(()),
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
