//! A network that knows where the messages of the server's protocol begin and end,
//! and breaks at one of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::protocol;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Client,
    Server,
}

/// Which message of a side is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one after so many.
    After(usize),
    /// The next one that holds this text.
    With(&'static str),
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It arrives, and then the connection is broken off.
    CutAfter,
    /// Half of it arrives, and then the connection is broken off.
    Truncate,
    /// It arrives, as all that follows it, after this time.
    Delay(Duration),
    /// In its place comes this error of the server's.
    Refuse(protocol::Code),
}

/// Listens on a port of its own and passes on what it is sent.
pub struct Wire {
    pub addr: SocketAddr,
    armed: Armed,
    connections: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

/// The fault, and the message that has it.
type Armed = Arc<Mutex<Option<(From, Which, Fault)>>>;

impl Wire {
    /// In front of `server`, a host and a port.
    pub async fn start(server: String) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let armed = Armed::default();
        let connections = Arc::default();
        let listening = listen(listener, server, Arc::clone(&armed), Arc::clone(&connections));
        Wire { addr, armed, connections, running: tokio::spawn(listening) }
    }

    /// How many connections have been made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// One message of this side has this fault; all before it pass.
    pub async fn arm(&self, from: From, which: Which, fault: Fault) {
        *self.armed.lock().await = Some((from, which, fault));
    }

    /// All passes from now on; tells whether the fault has come.
    pub async fn disarm(&self) -> bool {
        self.armed.lock().await.take().is_none()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn listen(
    listener: TcpListener,
    server: String,
    armed: Armed,
    connections: Arc<AtomicUsize>,
) {
    loop {
        let (client, _) = listener.accept().await.expect("it listens");
        connections.fetch_add(1, Relaxed);
        tokio::spawn(connect(client, server.clone(), Arc::clone(&armed)));
    }
}

/// One connection. Either direction goes on by itself, so that what was delayed
/// arrives even if its sender has hung up in the meantime.
async fn connect(mut client: TcpStream, server: String, armed: Armed) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let broken = Notify::new();
    let there = pass(From::Client, from_client, to_server, &armed, &broken);
    let back = pass(From::Server, from_server, to_client, &armed, &broken);
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        () = broken.notified() => {}
    }
}

async fn pass(
    side: From,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    armed: &Armed,
    broken: &Notify,
) {
    let mut is_first = true;
    while let Ok(mut message) = read(side, is_first, &mut from).await {
        is_first = false;
        let fault = due(side, &message, armed).await;
        if let Some(Fault::Delay(time)) = fault {
            sleep(time).await;
        }
        if let Some(Fault::Refuse(code)) = fault {
            message = protocol::refusal(&message, code);
        }
        let length = if fault == Some(Fault::Truncate) { message.len() / 2 } else { message.len() };
        if to.write_all(&message[..length]).await.is_err() {
            break;
        }
        if matches!(fault, Some(Fault::CutAfter | Fault::Truncate)) {
            broken.notify_one();
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// One message, whole.
pub async fn read(
    side: From,
    is_first: bool,
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Vec<u8>> {
    let mut message = vec![0; protocol::head(side, is_first)];
    from.read_exact(&mut message).await?;
    let rest = protocol::rest(&message);
    let head = message.len();
    message.resize(head + rest, 0);
    from.read_exact(&mut message[head..]).await?;
    Ok(message)
}

/// The fault of this message, if it is the one that is meant.
async fn due(side: From, message: &[u8], armed: &Armed) -> Option<Fault> {
    let mut armed = armed.lock().await;
    let (from, which, fault) = armed.as_mut()?;
    if *from != side {
        return None;
    }
    let is_meant = match which {
        Which::After(0) => true,
        Which::After(messages) => {
            *messages -= 1;
            false
        }
        Which::With(text) => message.windows(text.len()).any(|part| part == text.as_bytes()),
    };
    let fault = *fault;
    is_meant.then(|| {
        *armed = None;
        fault
    })
}
