//! A collector of OpenTelemetry that takes all that it is sent and does nothing with it, so that a service with
//! OpenTelemetry pays for sending, too.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// A running collector. It ends with the process.
pub struct Collector {
    address: SocketAddr,
    exports: Arc<AtomicU64>,
}

impl Collector {
    pub fn start() -> Result<Collector> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let collector = Collector {
            address: listener.local_addr()?,
            exports: Arc::default(),
        };
        let exports = Arc::clone(&collector.exports);
        thread::spawn(move || runtime.block_on(serve(listener, exports)));
        Ok(collector)
    }

    /// What a service is told.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many batches have come so far.
    pub fn exports(&self) -> u64 {
        self.exports.load(Relaxed)
    }
}

async fn serve(listener: TcpListener, exports: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let exports = Arc::clone(&exports);
        let take = service_fn(move |request| {
            exports.fetch_add(1, Relaxed);
            take(request)
        });
        let connection = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), take));
    }
}

/// Answers with an empty message of gRPC, which says that everything was taken.
async fn take(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    request.into_body().collect().await?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let message = Full::new(Bytes::from_static(&[0; 5]));
    let mut response = Response::new(message.with_trailers(async { Some(Ok(trailers)) }));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
