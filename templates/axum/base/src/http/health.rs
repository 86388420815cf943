//! Whether the service lives, and whether to send it requests. Neither depends
//! on what the service calls: a database that is down would take out every
//! replica at once, and restarting them would not bring it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::infra::dependency::Dependency;

/// What is known of the service's health. Clones share it.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    draining: AtomicBool,
    dependencies: Vec<Dependency>,
}

impl Health {
    /// A service that is ready, and tells how these dependencies do.
    pub fn new(dependencies: impl IntoIterator<Item = Dependency>) -> Health {
        let dependencies = dependencies.into_iter().collect();
        Health(Arc::new(Inner { draining: AtomicBool::new(false), dependencies }))
    }

    /// From now on, not ready.
    pub fn drain(&self) {
        self.0.draining.store(true, Relaxed);
    }

    /// Whether requests had better go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Relaxed)
    }
}

#[derive(Serialize)]
pub struct Readiness {
    status: &'static str,
    dependencies: Vec<DependencyState>,
}

#[derive(Serialize)]
struct DependencyState {
    name: &'static str,
    status: &'static str,
    /// Why it is down: one that refuses is not one that cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'static str>,
}

/// The process answers.
pub async fn live() -> &'static str {
    "ok"
}

/// The process wants requests.
pub async fn ready(State(health): State<Health>) -> (StatusCode, Json<Readiness>) {
    let (code, status) = match health.is_draining() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let state = |dependency: &Dependency| {
        let (name, error_type) = (dependency.name(), dependency.failure());
        let status = if error_type.is_none() { "up" } else { "down" };
        DependencyState { name, status, error_type }
    };
    let dependencies = health.0.dependencies.iter().map(state).collect();
    (code, Json(Readiness { status, dependencies }))
}
