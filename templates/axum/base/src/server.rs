//! Accepts connections and lets go of them. axum's own `serve` sets no timer,
//! so half a request head would hold a connection, and a shutdown, for ever.

mod head;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use self::head::HeadTimer;

/// How long to wait before accepting again when the process has no file
/// descriptor left: long enough for a connection to end, short for a client.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that is bound but serves nobody yet.
pub struct Server {
    listener: TcpListener,
    timeouts: Timeouts,
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
    /// Binds `addr`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours to take.
    pub async fn bind(addr: SocketAddr, timeouts: Timeouts) -> io::Result<Server> {
        let listener = TcpListener::bind(addr).await?;
        Ok(Server { listener, timeouts })
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
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(self.connection(stream, router.clone(), stop.clone()));
                    }
                    Err(error) if is_the_peers(&error) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot accept connections");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(self.listener);

        let drained = async { while connections.join_next().await.is_some() {} };
        match timeout(drain_timeout, drained).await {
            Ok(()) => Drained::Clean,
            Err(_) => {
                let cut = connections.len();
                connections.shutdown().await;
                Drained::Cut(cut)
            }
        }
    }

    /// One connection, from its first byte to its last.
    fn connection(
        &self,
        stream: TcpStream,
        router: Router,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        // Small answers must not wait for a full packet. Not being able to say
        // so makes them slower, no more.
        let _ = stream.set_nodelay(true);
        let Timeouts { header, idle, write } = self.timeouts;
        let (reader, writer) = stream.into_split();
        let timer = HeadTimer::new(header, idle);
        let reader = timer.watch(reader);
        let mut writer = TimeoutWriter::new(writer);
        writer.set_timeout(Some(write));
        let stream = TokioIo::new(Box::pin(tokio::io::join(reader, writer)));
        let connection = http1::Builder::new()
            .timer(timer)
            // Any time turns the timer on, which knows its own.
            .header_read_timeout(header)
            .serve_connection(stream, TowerToHyperService::new(router));
        async move {
            let mut connection = pin!(connection);
            let served = tokio::select! {
                // A request that is here already is taken before the connection
                // learns that it was the last.
                biased;
                served = connection.as_mut() => served,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}

/// Errors of one connection that died in the queue say nothing of the listener.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
