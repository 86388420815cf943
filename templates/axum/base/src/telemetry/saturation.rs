//! How full the service is: read at the moment when somebody asks, so that a
//! busy service does not count what nobody looks at.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::http::stack::Places;
use crate::infra::database::Database;
use crate::infra::pool::PoolStatus;
use crate::server::Connections;
use crate::telemetry::log::Log;
use crate::telemetry::process::ProcessStatus;

/// Where to read it. Clones are cheap.
#[derive(Clone)]
pub struct Gauges {
    database: Database,
    log: Log,
    connections: Connections,
    places: Places,
    runtime: Handle,
}

/// The readings of one moment.
pub struct Saturation {
    pub pools: Vec<PoolStatus>,
    /// Requests that have a place among those being served.
    pub in_flight: usize,
    /// From clients of the API.
    pub connections: Connections,
    /// Since the start.
    pub log_lines_dropped: u64,
    pub runtime: RuntimeStatus,
    /// None where the operating system does not tell.
    pub process: Option<ProcessStatus>,
}

/// How busy tokio is. A queue that grows, or workers busy all the time, means
/// that something computes or blocks where it should wait.
pub struct RuntimeStatus {
    pub workers: usize,
    pub alive_tasks: usize,
    pub global_queue_depth: usize,
    /// Of all workers together, since the start.
    pub busy: Duration,
}

impl Gauges {
    /// Gauges of these parts, and of the runtime that calls.
    pub fn new(database: Database, log: Log, connections: Connections, places: Places) -> Gauges {
        Gauges { database, log, connections, places, runtime: Handle::current() }
    }

    /// Reads all of them.
    pub fn read(&self) -> Saturation {
        let runtime = self.runtime.metrics();
        let workers = runtime.num_workers();
        Saturation {
            pools: self.database.pools(),
            in_flight: self.places.taken(),
            connections: self.connections.clone(),
            log_lines_dropped: self.log.dropped(),
            runtime: RuntimeStatus {
                workers,
                alive_tasks: runtime.num_alive_tasks(),
                global_queue_depth: runtime.global_queue_depth(),
                busy: (0..workers).map(|worker| runtime.worker_total_busy_duration(worker)).sum(),
            },
            process: ProcessStatus::read(),
        }
    }
}
