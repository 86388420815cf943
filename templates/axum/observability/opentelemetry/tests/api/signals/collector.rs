//! A collector: the services that the protocol defines, on a port of their own,
//! which keep what they are sent, and refuse what they are told to.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::app::eventually;

/// Clones are the same collector.
#[derive(Clone)]
pub struct Collector {
    pub url: String,
    received: Arc<Mutex<Received>>,
}

/// What a collector takes at once, unless it is set up otherwise.
const USUAL_LIMIT: usize = 4 << 20;

/// Everything that was sent; of the metrics, what was sent last.
#[derive(Default)]
pub struct Received {
    pub headers: Vec<MetadataMap>,
    pub resources: Vec<Resource>,
    pub spans: Vec<Span>,
    pub records: Vec<LogRecord>,
    pub metrics: Vec<ResourceMetrics>,
    /// How many spans of each batch to reject from now on.
    pub rejects: i64,
    /// What to answer in place of taking the next batches of spans.
    pub refusals: Vec<Status>,
}

impl Collector {
    /// A collector that runs as long as the test does.
    pub fn start() -> Collector {
        Collector::with_limit(USUAL_LIMIT)
    }

    /// The same, which takes so many bytes at once.
    pub fn with_limit(limit: usize) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("it can be polled");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
        let collector = Collector { url, received: Arc::default() };
        let server = Server::builder()
            .add_service(
                TraceServiceServer::new(collector.clone())
                    .max_decoding_message_size(limit)
                    .accept_compressed(Gzip),
            )
            .add_service(
                LogsServiceServer::new(collector.clone())
                    .max_decoding_message_size(limit)
                    .accept_compressed(Gzip),
            )
            .add_service(MetricsServiceServer::new(collector.clone()).accept_compressed(Gzip))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        collector
    }

    pub fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a span that `wanted` knows.
    pub async fn span(&self, what: &str, wanted: impl Fn(&Span) -> bool) -> Span {
        let find = async || self.received().spans.iter().find(|span| wanted(span)).cloned();
        eventually(what, find).await
    }

    /// Waits for a log record that `wanted` knows.
    pub async fn record(&self, what: &str, wanted: impl Fn(&LogRecord) -> bool) -> LogRecord {
        let find = async || self.received().records.iter().find(|record| wanted(record)).cloned();
        eventually(what, find).await
    }
}

/// The attribute's value as text, empty where there is none.
pub fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    found.and_then(|attribute| attribute.value.as_ref()).map(text).unwrap_or_default()
}

pub fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => panic!("{other:?} is used nowhere"),
    }
}

pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.received();
        if let Some(refusal) = received.refusals.pop() {
            return Err(refusal);
        }
        received.headers.push(request.metadata().clone());
        for of_resource in request.into_inner().resource_spans {
            received.resources.extend(of_resource.resource);
            let scopes = of_resource.scope_spans.into_iter();
            received.spans.extend(scopes.flat_map(|scope| scope.spans));
        }
        let partial_success = (received.rejects > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: received.rejects,
            error_message: "too old".to_owned(),
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let mut received = self.received();
        received.headers.push(request.metadata().clone());
        for of_resource in request.into_inner().resource_logs {
            received.resources.extend(of_resource.resource);
            let scopes = of_resource.scope_logs.into_iter();
            received.records.extend(scopes.flat_map(|scope| scope.log_records));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut received = self.received();
        received.headers.push(request.metadata().clone());
        received.metrics = request.into_inner().resource_metrics;
        Ok(Response::new(Default::default()))
    }
}
