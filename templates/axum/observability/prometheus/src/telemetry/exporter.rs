//! Shows the metrics to Prometheus, on a port of its own: an overloaded or
//! draining service can still be scraped, and `/metrics` is not for clients.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::Signals;
use super::metrics::Format;
use crate::env::Env;
use crate::server::{Server, Timeouts};

/// The media types of the two formats.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Scrapers are few and near, and come every minute or more often.
const TIMEOUTS: Timeouts = Timeouts {
    header: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    write: Duration::from_secs(10),
};

/// Far more than there are scrapers.
const MAX_CONNECTIONS: usize = 16;

/// A scrape under way when the service stops may finish, briefly.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Where to show metrics.
#[derive(Clone)]
pub struct Settings {
    /// `ADMIN_ADDR`: where `/metrics` is served.
    pub addr: SocketAddr,
}

impl Settings {
    /// Reads `ADMIN_ADDR`.
    pub fn read(env: &mut Env) -> Settings {
        Settings { addr: env.addr("ADMIN_ADDR", SocketAddr::from(([0, 0, 0, 0], 9090))) }
    }
}

/// The admin server, bound.
pub struct Exporter {
    server: Server,
    router: Router,
}

impl Exporter {
    /// Binds the admin address.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours to take.
    pub async fn start(settings: &Settings, signals: Signals) -> io::Result<Exporter> {
        let addr = settings.addr;
        let server = Server::bind(addr, TIMEOUTS, MAX_CONNECTIONS).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on ADMIN_ADDR, {addr}: {error}"))
        })?;
        tracing::info!(addr = %server.local_addr()?, "serving /metrics");
        let router = Router::new().route("/metrics", get(scrape)).with_state(signals);
        Ok(Exporter { server, router })
    }

    /// The admin address that is bound.
    ///
    /// # Errors
    ///
    /// The operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.server.local_addr()
    }

    /// Serves until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.server.run(self.router, stop, DRAIN_TIMEOUT).await;
    }
}

async fn scrape(State(signals): State<Signals>, headers: HeaderMap) -> Response {
    let (format, media_type) = match wants_openmetrics(&headers) {
        true => (Format::OpenMetrics, OPENMETRICS),
        false => (Format::Prometheus, PROMETHEUS),
    };
    match signals.metrics.encode(&signals.gauges.read(), format) {
        Ok(text) => ([(header::CONTENT_TYPE, media_type)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whether OpenMetrics is asked for by its name, and weighs no less than the text format
/// that everybody can read.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let weight = |media_type| weight(headers, media_type);
    let text = ["text/plain", "text/*", "*/*"].into_iter().find_map(weight).unwrap_or(0.0);
    weight("application/openmetrics-text").is_some_and(|weight| weight > 0.0 && weight >= text)
}

/// What `Accept` gives to a media type that it names, from 0 to 1: see RFC 9110, section
/// 12.4.2.
fn weight(headers: &HeaderMap, media_type: &str) -> Option<f32> {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
    let weights = lists.flat_map(|list| list.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts.next()?.eq_ignore_ascii_case(media_type);
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        is_it.then(|| weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
    });
    weights.reduce(f32::max)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn open_metrics_is_for_those_that_ask_for_it_and_want_nothing_more() {
        let wanted = |accepted: &'static str| {
            let accept = (header::ACCEPT, HeaderValue::from_static(accepted));
            wants_openmetrics(&HeaderMap::from_iter([accept]))
        };
        for accepted in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=1.0.0",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.2",
            "text/plain;version=0.0.4;q=0.3, application/openmetrics-text;version=1.0.0 ; Q=0.7",
            "application/openmetrics-text, text/plain;q=0, */*",
        ] {
            assert!(wanted(accepted), "{accepted}");
        }
        for accepted in [
            "",
            "*/*",
            "application/*",
            "text/plain",
            "application/openmetrics-text-not",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text; q=0.000, */*",
            "application/openmetrics-text;q=0.3,text/plain;q=0.5",
            "application/openmetrics-text;q=0.1, */*",
            "application/openmetrics-text;q=much",
        ] {
            assert!(!wanted(accepted), "{accepted}");
        }
        assert!(!wants_openmetrics(&HeaderMap::new()));
    }
}
