//! The collector, as one signal sees it: the services that the protocol defines,
//! and what their answers mean.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::http::Uri;
use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope as Scope};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_sdk::logs::SdkLogRecord;
use prost::Message;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::Signal;
use crate::telemetry::{VALUE_LIMIT, shortened};

/// Where one signal goes.
pub struct Collector {
    signal: Signal,
    resource: Resource,
    channel: Channel,
}

/// What the collector did not take of a batch that it took.
#[derive(Debug)]
pub struct Rejected {
    pub count: usize,
    pub why: String,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// Less of it may be.
    TooLarge(String),
    /// It may be later, after the time that the collector names.
    NotNow(String, Option<Duration>),
    /// It never will be.
    Refused(String),
}

/// What is sent: a span, a log record, or a metric.
pub trait Item: Clone + Send + Sync + Sized {
    /// The bytes that it takes to send.
    fn size(&self) -> usize;

    /// Sends a batch, and waits for the answer.
    fn export(
        batch: Vec<Self>,
        to: &Collector,
    ) -> impl Future<Output = Result<Option<Rejected>, Status>> + Send;
}

/// A log record, and whose it is.
#[derive(Clone, Debug)]
pub struct Record {
    scope: Cow<'static, str>,
    record: LogRecord,
}

impl Collector {
    /// Connects when there is something to send.
    pub fn new(signal: Signal, resource: Resource) -> Collector {
        let channel = signal.endpoint.connect_lazy();
        Collector { signal, resource, channel }
    }

    /// Its address.
    pub fn endpoint(&self) -> &Uri {
        self.signal.endpoint.uri()
    }

    /// Sends a batch; says what was not taken of it, if anything.
    ///
    /// # Errors
    ///
    /// Nothing was taken, or nobody knows.
    pub async fn export<T: Item>(&mut self, batch: Vec<T>) -> Result<Option<Rejected>, Refusal> {
        let limit = self.signal.timeout;
        match timeout(limit, T::export(batch, self)).await {
            Ok(Ok(rejected)) => Ok(rejected),
            Ok(Err(status)) => Err(refusal(&status)),
            Err(_) => {
                // The connection may be dead, which the kernel takes a quarter of an
                // hour to notice.
                self.channel = self.signal.endpoint.connect_lazy();
                Err(Refusal::NotNow(format!("no answer in {limit:?}"), None))
            }
        }
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.signal.headers.clone();
        request
    }
}

/// What a status means, as the protocol defines it.
fn refusal(status: &Status) -> Refusal {
    let why = status.to_string();
    // How long the collector says to wait, if it does.
    let wait = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange | Code::InvalidArgument
            if is_about_size(status) =>
        {
            Refusal::TooLarge(why)
        }
        Code::Aborted
        | Code::Cancelled
        | Code::DataLoss
        | Code::DeadlineExceeded
        | Code::OutOfRange
        | Code::Unavailable => Refusal::NotNow(why, wait),
        // A quota that is used up, for a while or for good.
        Code::ResourceExhausted if wait.is_some() => Refusal::NotNow(why, wait),
        // Nobody has answered: the connection broke.
        _ if status.source().is_some() => Refusal::NotNow(why, None),
        _ => Refusal::Refused(why),
    }
}

/// The protocol has no word for it; these are those of the servers.
fn is_about_size(status: &Status) -> bool {
    let message = status.message().to_ascii_lowercase();
    ["larger than max", "message length too large", "message size"]
        .iter()
        .any(|words| message.contains(words))
}

/// The part of the program that spans and metrics are made by.
fn own_scope() -> Option<Scope> {
    Some(Scope { name: env!("CARGO_PKG_NAME").to_owned(), ..Scope::default() })
}

fn rejected(count: i64, why: String) -> Option<Rejected> {
    let count = count.try_into().unwrap_or(0);
    // A message alone is a warning, which is said as well.
    (count > 0 || !why.is_empty()).then_some(Rejected { count, why })
}

impl Item for Span {
    fn size(&self) -> usize {
        self.encoded_len()
    }

    async fn export(batch: Vec<Span>, to: &Collector) -> Result<Option<Rejected>, Status> {
        let of_scope = ScopeSpans { scope: own_scope(), spans: batch, ..ScopeSpans::default() };
        let request = to.request(ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(to.resource.clone()),
                scope_spans: vec![of_scope],
                ..ResourceSpans::default()
            }],
        });
        let client = TraceServiceClient::new(to.channel.clone());
        let mut client =
            to.signal.compression.into_iter().fold(client, TraceServiceClient::send_compressed);
        let answer = client.export(request).await?.into_inner();
        let part = answer.partial_success;
        Ok(part.and_then(|part| rejected(part.rejected_spans, part.error_message)))
    }
}

impl Item for Metric {
    fn size(&self) -> usize {
        self.encoded_len()
    }

    async fn export(batch: Vec<Metric>, to: &Collector) -> Result<Option<Rejected>, Status> {
        let of_scope =
            ScopeMetrics { scope: own_scope(), metrics: batch, ..ScopeMetrics::default() };
        let request = to.request(ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(to.resource.clone()),
                scope_metrics: vec![of_scope],
                ..ResourceMetrics::default()
            }],
        });
        let client = MetricsServiceClient::new(to.channel.clone());
        let mut client =
            to.signal.compression.into_iter().fold(client, MetricsServiceClient::send_compressed);
        let answer = client.export(request).await?.into_inner();
        let part = answer.partial_success;
        Ok(part.and_then(|part| rejected(part.rejected_data_points, part.error_message)))
    }
}

impl Item for Record {
    fn size(&self) -> usize {
        self.record.encoded_len()
    }

    async fn export(batch: Vec<Record>, to: &Collector) -> Result<Option<Rejected>, Status> {
        let request = to.request(ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(to.resource.clone()),
                scope_logs: by_scope(batch),
                ..ResourceLogs::default()
            }],
        });
        let client = LogsServiceClient::new(to.channel.clone());
        let mut client =
            to.signal.compression.into_iter().fold(client, LogsServiceClient::send_compressed);
        let answer = client.export(request).await?.into_inner();
        let part = answer.partial_success;
        Ok(part.and_then(|part| rejected(part.rejected_log_records, part.error_message)))
    }
}

impl Record {
    /// The record as it is sent: no value is longer than in a line. Its scope is the
    /// module that logged it.
    pub fn new(record: &SdkLogRecord, scope: &InstrumentationScope) -> Record {
        let scope = record.target().cloned().unwrap_or_else(|| scope.name().to_owned().into());
        let mut record = LogRecord::from(record);
        // Whatever logs here is observed as it happens.
        if record.time_unix_nano == 0 {
            record.time_unix_nano = record.observed_time_unix_nano;
        }
        record.body.iter_mut().for_each(shorten);
        let values = record.attributes.iter_mut().filter_map(|field| field.value.as_mut());
        values.for_each(shorten);
        Record { scope, record }
    }
}

fn shorten(value: &mut AnyValue) {
    if let Some(Value::StringValue(text)) = &mut value.value
        && let Cow::Owned(short) = shortened(text, VALUE_LIMIT)
    {
        *text = short;
    }
}

fn by_scope(records: Vec<Record>) -> Vec<ScopeLogs> {
    let mut scopes: Vec<ScopeLogs> = Vec::new();
    for Record { scope, record } in records {
        let is_of_scope =
            |logs: &&mut ScopeLogs| logs.scope.as_ref().is_some_and(|known| known.name == scope);
        match scopes.iter_mut().find(is_of_scope) {
            Some(logs) => logs.log_records.push(record),
            None => scopes.push(ScopeLogs {
                scope: Some(Scope { name: scope.into_owned(), ..Scope::default() }),
                log_records: vec![record],
                ..ScopeLogs::default()
            }),
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn is(code: Code, message: &str) -> &'static str {
        match refusal(&Status::new(code, message)) {
            Refusal::TooLarge(_) => "too large",
            Refusal::NotNow(..) => "not now",
            Refusal::Refused(_) => "refused",
        }
    }

    #[test]
    fn only_what_is_said_to_be_too_large_is_sent_in_parts() {
        let grpc_go = "grpc: received message larger than max (5 vs. 4)";
        assert_eq!(is(Code::ResourceExhausted, grpc_go), "too large");
        let tonic = "Error, decoded message length too large: found 5 bytes";
        assert_eq!(is(Code::OutOfRange, tonic), "too large");
        assert_eq!(is(Code::InvalidArgument, "Message size exceeds the limit"), "too large");
        assert_eq!(is(Code::ResourceExhausted, "quota"), "refused");
        assert_eq!(is(Code::InvalidArgument, "no such field"), "refused");
        assert_eq!(is(Code::OutOfRange, "too old"), "not now");
    }

    #[test]
    fn what_passes_by_the_protocol_is_sent_again_and_nothing_else() {
        for code in [Code::Aborted, Code::Cancelled, Code::DataLoss, Code::DeadlineExceeded] {
            assert_eq!(is(code, ""), "not now", "{code}");
        }
        for code in [Code::Internal, Code::Unauthenticated, Code::Unimplemented, Code::Unknown] {
            assert_eq!(is(code, ""), "refused", "{code}");
        }
    }

    #[test]
    fn a_quota_that_is_used_up_for_a_while_is_waited_for() {
        let delay = Duration::from_millis(2_500);
        let details = ErrorDetails::with_retry_info(Some(delay));
        let status = Status::with_error_details(Code::ResourceExhausted, "quota", details);
        let Refusal::NotNow(_, wait) = refusal(&status) else { panic!("it can be tried again") };
        assert_eq!(wait, Some(delay));
    }
}
