//! What is counted elsewhere in the service, and read when metrics are collected: how
//! full it is, what its connections came to, and what the process takes.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::pool_name;
use crate::telemetry::saturation::Saturation;

/// The readings of one moment, for the instruments that tell of them. Clones are the same
/// readings.
#[derive(Clone, Default)]
pub struct Readings(Arc<Mutex<Option<Saturation>>>);

impl Readings {
    /// Readings of a service that serves at most `max_in_flight` requests at once, with
    /// their instruments.
    pub fn new(m: &Meter, max_in_flight: usize) -> Readings {
        let readings = Readings::default();
        readings.of_server(m, max_in_flight);
        readings.of_pools(m);
        readings.of_runtime(m);
        readings.of_process(m);
        readings
    }

    /// Takes the place of the readings before.
    pub fn set(&self, saturation: Saturation) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(saturation);
    }

    fn of_server(&self, m: &Meter, max_in_flight: usize) {
        let max = ["http.server.max_in_flight", "{request}", "Requests served at once, at most"];
        self.up_down(m, max, move |_, it| it.observe(integer(max_in_flight), &[]));
        let taken = ["http.server.in_flight", "{request}", "Requests that have a place"];
        self.up_down(m, taken, |now, it| it.observe(integer(now.in_flight), &[]));
        let open = ["http.server.open_connections", "{connection}", "Connections"];
        self.up_down(m, open, |now, it| it.observe(integer(now.connections.open()), &[]));
        let max = ["http.server.max_connections", "{connection}", "Connections, at most"];
        self.up_down(m, max, |now, it| it.observe(integer(now.connections.max()), &[]));
        let dismissed = "Connections that made room for others, or whose clients read too slowly";
        let dismissed = ["http.server.dismissed_connections", "{connection}", dismissed];
        self.counter(m, dismissed, |now| now.connections.dismissed());
        let unreadable = "Requests that were none, or had too long a head";
        let unreadable = ["http.server.unreadable_requests", "{request}", unreadable];
        self.counter(m, unreadable, |now| now.connections.unreadable());
        let dropped = "Log lines that the full buffer did not take";
        self.counter(m, ["log.lines_dropped", "{line}", dropped], |now| now.log_lines_dropped);
    }

    fn of_pools(&self, m: &Meter) {
        let count = ["db.client.connection.count", "{connection}", "Connections by state"];
        self.up_down(m, count, |now, it| {
            for pool in &now.pools {
                for (state, count) in [("used", pool.used), ("idle", pool.idle)] {
                    let state = KeyValue::new("db.client.connection.state", state);
                    it.observe(integer(count), &[pool_name(pool.name), state]);
                }
            }
        });
        let max = ["db.client.connection.max", "{connection}", "Connections allowed"];
        self.up_down(m, max, |now, it| {
            for pool in &now.pools {
                it.observe(integer(pool.max), &[pool_name(pool.name)]);
            }
        });
    }

    fn of_runtime(&self, m: &Meter) {
        let workers = ["tokio.workers", "{thread}", "Worker threads"];
        self.up_down(m, workers, |now, it| it.observe(integer(now.runtime.workers), &[]));
        let tasks = ["tokio.alive_tasks", "{task}", "Tasks alive"];
        self.up_down(m, tasks, |now, it| it.observe(integer(now.runtime.alive_tasks), &[]));
        let depth = ["tokio.global_queue_depth", "{task}", "Tasks waiting for any worker"];
        self.up_down(m, depth, |now, it| it.observe(integer(now.runtime.global_queue_depth), &[]));
        let busy = ["tokio.worker_busy", "s", "Time that workers worked"];
        self.seconds(m, busy, |now, it| it.observe(now.runtime.busy.as_secs_f64(), &[]));
    }

    fn of_process(&self, m: &Meter) {
        let memory = ["process.memory.usage", "By", "Memory in use"];
        self.up_down(m, memory, |now, it| {
            if let Some(process) = &now.process {
                it.observe(integer(process.resident_memory), &[]);
            }
        });
        let descriptors = "File descriptors in use";
        let descriptors = ["process.unix.file_descriptor.count", "{file_descriptor}", descriptors];
        self.up_down(m, descriptors, |now, it| {
            if let Some(process) = &now.process {
                it.observe(integer(process.open_descriptors), &[]);
            }
        });
        let cpu = ["process.cpu.time", "s", "Time that all threads ran"];
        self.seconds(m, cpu, |now, it| {
            if let Some(process) = &now.process {
                for (mode, time) in [("user", process.cpu_user), ("system", process.cpu_system)] {
                    it.observe(time.as_secs_f64(), &[KeyValue::new("cpu.mode", mode)]);
                }
            }
        });
    }

    /// A number that goes up and down: its name, its unit, and what it tells.
    fn up_down(
        &self,
        m: &Meter,
        [name, unit, help]: [&'static str; 3],
        observe: impl Fn(&Saturation, &dyn AsyncInstrument<i64>) + Send + Sync + 'static,
    ) {
        let instrument = m.i64_observable_up_down_counter(name).with_unit(unit);
        instrument.with_description(help).with_callback(self.told(observe)).build();
    }

    /// A number that only goes up.
    fn counter(
        &self,
        m: &Meter,
        [name, unit, help]: [&'static str; 3],
        read: fn(&Saturation) -> u64,
    ) {
        let instrument = m.u64_observable_counter(name).with_unit(unit).with_description(help);
        instrument.with_callback(self.told(move |now, it| it.observe(read(now), &[]))).build();
    }

    /// A time that only grows.
    fn seconds(
        &self,
        m: &Meter,
        [name, unit, help]: [&'static str; 3],
        observe: fn(&Saturation, &dyn AsyncInstrument<f64>),
    ) {
        let instrument = m.f64_observable_counter(name).with_unit(unit).with_description(help);
        instrument.with_callback(self.told(observe)).build();
    }

    /// Has an instrument that is asked told by `observe`, as soon as there are readings.
    fn told<T: 'static>(
        &self,
        observe: impl Fn(&Saturation, &dyn AsyncInstrument<T>) + Send + Sync + 'static,
    ) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
        let readings = self.clone();
        move |instrument| {
            let now = readings.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(now) = &*now {
                observe(now, instrument);
            }
        }
    }
}

fn integer(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
