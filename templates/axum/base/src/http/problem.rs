//! Every answer that is not the one asked for has one form, RFC 9457's. A
//! handler returns a [`Problem`]; the stack writes it out, with the request's id.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::{WrongField, shown};
use crate::domain::Invalid;
use crate::infra::Fault;

/// How long a client that was refused should wait, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The cause of what nobody gets to see: the client has gone.
pub const CLIENT_DISCONNECTED: &str = "client_disconnected";

/// What bodies may be encoded as: nothing is unpacked, since what is small may become
/// very large.
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("identity");

/// What a client may want to tell apart without reading what is for people. A code
/// stays what it is; new ones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The path, the query, a header or the body cannot be read.
    Malformed,
    /// There is no such route, or no such thing.
    NotFound,
    /// The route has no such method; `Allow` lists those that it has.
    MethodNotAllowed,
    /// The body came too slowly.
    BodyTooSlow,
    /// The email address is taken.
    EmailTaken,
    /// `If-Match` has not the current version.
    Stale,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The body has a `Content-Encoding`; `Accept-Encoding` lists what it may have.
    UnsupportedContentEncoding,
    /// Fields of the body are missing, unknown or not valid; `errors` names them.
    InvalidFields,
    /// The `Idempotency-Key` was used for another request.
    KeyReused,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// A bug.
    Internal,
    /// Too many requests or too large bodies at once.
    Overloaded,
    /// Something that the service depends on is down, busy or late.
    Unavailable,
    /// The request took too long. A write may take effect all the same.
    Timeout,
}

impl ProblemCode {
    /// What a status says by itself.
    fn of(status: StatusCode) -> ProblemCode {
        match status {
            StatusCode::NOT_FOUND => ProblemCode::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => ProblemCode::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => ProblemCode::BodyTooSlow,
            StatusCode::PRECONDITION_FAILED => ProblemCode::Stale,
            StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemCode::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => ProblemCode::InvalidFields,
            StatusCode::PRECONDITION_REQUIRED => ProblemCode::PreconditionRequired,
            StatusCode::SERVICE_UNAVAILABLE => ProblemCode::Unavailable,
            StatusCode::GATEWAY_TIMEOUT => ProblemCode::Timeout,
            status if status.is_client_error() => ProblemCode::Malformed,
            _ => ProblemCode::Internal,
        }
    }
}

/// Why a request was not fulfilled.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: ProblemCode,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    error_type: Option<&'static str>,
}

/// A problem as it is sent, `application/problem+json`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Always `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    code: ProblemCode,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Names the request in the service's log.
    request_id: &'a str,
    /// The fields that are wrong: the first 20 of them, and how many more there are.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    pub detail: Cow<'static, str>,
}

impl From<WrongField> for FieldError {
    fn from(WrongField { name, reason }: WrongField) -> FieldError {
        let pointer = name.map(|name| shown(&name).replace('~', "~0").replace('/', "~1"));
        let pointer = pointer.map(|pointer| format!("/{pointer}")).unwrap_or_default();
        FieldError { pointer, detail: reason }
    }
}

/// One without a field is about the whole body.
impl From<Invalid> for FieldError {
    fn from(Invalid { field, reason }: Invalid) -> FieldError {
        let name = (!field.is_empty()).then(|| field.to_owned());
        FieldError::from(WrongField { name, reason: reason.into() })
    }
}

impl Problem {
    /// A problem that `status` says all about.
    pub fn new(status: StatusCode) -> Problem {
        let code = ProblemCode::of(status);
        Problem { status, code, detail: None, errors: Vec::new(), error_type: None }
    }

    /// Says which problem it is, where the status does not.
    pub fn code(mut self, code: ProblemCode) -> Problem {
        self.code = code;
        self
    }

    /// Says what is wrong, to the client.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    /// Names the cause in the metrics, instead of the status.
    pub fn because(mut self, error_type: &'static str) -> Problem {
        self.error_type = Some(error_type);
        self
    }

    /// Fields of the body that cannot be what they are.
    pub fn fields(errors: impl IntoIterator<Item: Into<FieldError>>) -> Problem {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY);
        let errors = errors.into_iter().map(Into::into).collect();
        Problem { errors, ..problem.detail("the body is not valid") }
    }

    /// A request that is refused so that others can be served.
    pub fn overloaded(detail: &'static str) -> Problem {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE).because("shed");
        problem.code(ProblemCode::Overloaded).detail(detail)
    }

    /// What the metrics call it, if it is the service's own failure.
    pub fn error_type(&self) -> Option<&'static str> {
        self.error_type
    }

    /// Writes the problem that `response` carries, if any, as its body.
    pub fn write(response: &mut Response, request_id: &str) {
        let Some(problem) = response.extensions().get::<Problem>() else { return };
        let Problem { status, code, .. } = *problem;
        let body = ProblemBody {
            kind: "about:blank",
            code,
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: problem.detail.as_deref(),
            request_id,
            errors: &problem.errors,
        };
        // It is made of strings and numbers, which JSON can always hold.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        *response.body_mut() = body.into();
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if code == ProblemCode::UnsupportedContentEncoding {
            response.headers_mut().insert(header::ACCEPT_ENCODING, ACCEPT_ENCODING);
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A query or a header that is wrong is the request's fault, not the body's.
impl From<Invalid> for Problem {
    fn from(Invalid { field, reason }: Invalid) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST).detail(format!("`{field}` {reason}"))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        match &fault {
            Fault::Unavailable(cause) => {
                tracing::warn!(%cause, "a dependency is unavailable");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE).because("dependency_unavailable")
            }
            Fault::Internal(cause) => {
                tracing::error!(%cause, "a dependency was misused");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR).because("dependency_misused")
            }
        }
    }
}
