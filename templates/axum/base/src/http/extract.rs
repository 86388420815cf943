//! What handlers take from a request. axum's own extractors do the work; these
//! bound it, and answer with a [`Problem`].

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::request::Parts;
use http_body_util::BodyExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::fields::{Fields, FromBody, FromQuery};
use super::problem::{Problem, ProblemCode};
use crate::context::Context;
use crate::domain::{Expected, IdempotencyKey, Invalid, Version};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A body that is an object of JSON.
pub struct Json<T>(pub T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: FromBody,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Json<T>, Problem> {
        if !is_json(request.headers()) {
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(problem.detail("the body must be `application/json`"));
        }
        if is_encoded(request.headers()) {
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            let problem = problem.code(ProblemCode::UnsupportedContentEncoding);
            return Err(problem.detail("the body must come as it is, without an encoding"));
        }
        // The stack has read it.
        let body = request.into_body().collect().await;
        let bytes = body.map_err(|_| Problem::new(StatusCode::BAD_REQUEST))?.to_bytes();
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            serde_json::from_slice::<IgnoredAny>(&bytes).map_err(malformed)?;
            return Err(Problem::fields([Invalid { field: "", reason: "must be an object" }]));
        }
        let fields: Fields<&RawValue> = serde_json::from_slice(&bytes).map_err(malformed)?;
        fields.read(T::read).map(Json).map_err(Problem::fields)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str()) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).into_iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn malformed(error: serde_json::Error) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST);
    problem.detail(format!("the body is not JSON, from line {}", error.line()))
}

/// The parts of the path.
pub struct Path<T>(pub T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

/// What is wrong with a path. axum's own text repeats the client's, and may change.
fn refused(rejection: &PathRejection) -> Problem {
    let problem = Problem::new(rejection.status());
    if rejection.status().is_server_error() {
        // The handler wants parts that its route has not.
        return problem.because("path_mismatch");
    }
    use ErrorKind::{DeserializeError, InvalidUtf8InPathParam, ParseErrorAtKey};
    if let PathRejection::FailedToDeserializePathParams(error) = rejection
        && let DeserializeError { key, .. }
        | InvalidUtf8InPathParam { key }
        | ParseErrorAtKey { key, .. } = error.kind()
    {
        return problem.detail(format!("`{key}` in the path is not valid"));
    }
    problem.detail("the path is not valid")
}

/// The query string.
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: FromQuery,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Query<T>, Problem> {
        let problem = Problem::new(StatusCode::BAD_REQUEST);
        let parameters = axum::extract::Query::from_request_parts(parts, state).await;
        let Ok(axum::extract::Query::<Fields<String>>(parameters)) = parameters else {
            return Err(problem.detail("the query is not valid"));
        };
        parameters.read(T::read).map(Query).map_err(|wrong| {
            let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
            problem.detail(wrong.join(", "))
        })
    }
}

/// The stack gives every request its context before it gets to a handler.
impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Context, Problem> {
        let context = parts.extensions.get::<Context>().cloned();
        context.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR).because("no_context"))
    }
}

/// `If-Match`: which version to change. Without it, nothing is changed, so that
/// nobody overwrites what they have not seen.
pub struct IfMatch(pub Expected);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<IfMatch, Problem> {
        if let Some(expected) = tags(&parts.headers, &header::IF_MATCH, version) {
            return Ok(IfMatch(expected));
        }
        let problem = Problem::new(StatusCode::PRECONDITION_REQUIRED);
        Err(problem.detail("send the `ETag` that you have seen as `If-Match`"))
    }
}

/// `If-Match` where a client may do without.
pub struct MaybeIfMatch(pub Expected);

impl<S: Send + Sync> FromRequestParts<S> for MaybeIfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<MaybeIfMatch, Problem> {
        let expected = tags(&parts.headers, &header::IF_MATCH, version);
        Ok(MaybeIfMatch(expected.unwrap_or(Expected::Any)))
    }
}

/// `If-None-Match`: which versions the client has already, if it says so.
pub struct IfNoneMatch(pub Option<Expected>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<IfNoneMatch, Problem> {
        // A weak tag is as good here: what it stands for reads the same.
        let version = |tag: &str| version(tag.strip_prefix("W/").unwrap_or(tag));
        Ok(IfNoneMatch(tags(&parts.headers, &header::IF_NONE_MATCH, version)))
    }
}

/// The versions in a header's list of tags, if the header is there.
fn tags(
    headers: &HeaderMap,
    name: &HeaderName,
    version: impl Fn(&str) -> Option<Version>,
) -> Option<Expected> {
    // It stands for all tags only where it is no part of a list.
    let mut lists = headers.get_all(name).into_iter();
    if lists.next().is_some_and(|list| list == "*") && lists.next().is_none() {
        return Some(Expected::Any);
    }
    let mut versions = Vec::new();
    for list in headers.get_all(name) {
        let mut is_quoted = false;
        let ends = |letter| {
            is_quoted ^= letter == '"';
            letter == ',' && !is_quoted
        };
        // A tag may have bytes that are no text; those that were given out have none.
        let list = String::from_utf8_lossy(list.as_bytes());
        versions.extend(list.split(ends).map(str::trim).filter_map(&version));
    }
    headers.contains_key(name).then_some(Expected::OneOf(versions))
}

/// What a tag says, if it is one that was given out.
fn version(tag: &str) -> Option<Version> {
    let version: Version = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    (etag(version) == tag).then_some(version)
}

/// The tag of a version.
pub fn etag(version: Version) -> String {
    format!("\"{}\"", version.0)
}

/// `Idempotency-Key`, where the client sent one.
pub struct MaybeKey(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for MaybeKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<MaybeKey, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).into_iter();
        let Some(key) = keys.next() else { return Ok(MaybeKey(None)) };
        let key = IdempotencyKey::new(key.to_str().unwrap_or_default())?;
        if keys.next().is_some() {
            let reason = "must not be there more than once";
            return Err(Invalid { field: "Idempotency-Key", reason }.into());
        }
        Ok(MaybeKey(Some(key)))
    }
}
