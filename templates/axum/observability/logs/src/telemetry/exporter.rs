//! Shows the metrics as log lines, every minute and once more at the end, for
//! platforms that gather logs and nothing else.

use std::io;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Signals;
use crate::env::Env;

/// How often to show metrics.
#[derive(Clone)]
pub struct Settings {
    /// `METRICS_INTERVAL_SECONDS`: the time between the metrics lines.
    pub interval: Duration,
}

impl Settings {
    /// Reads `METRICS_INTERVAL_SECONDS`.
    pub fn read(env: &mut Env) -> Settings {
        let seconds = env.count("METRICS_INTERVAL_SECONDS", 60).get();
        Settings { interval: Duration::from_secs(seconds as u64) }
    }
}

/// Writes the metrics lines.
pub struct Exporter {
    interval: Duration,
    signals: Signals,
}

impl Exporter {
    /// An exporter that has nothing to bind.
    ///
    /// # Errors
    ///
    /// None; exporters that open a port can fail.
    pub async fn start(settings: &Settings, signals: Signals) -> io::Result<Exporter> {
        Ok(Exporter { interval: settings.interval, signals })
    }

    /// Writes them at every interval until `stop`, and once more then.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.write(),
                () = stop.cancelled() => return self.write(),
            }
        }
    }

    fn write(&self) {
        let Signals { metrics, gauges, log } = &self.signals;
        log.fields("metrics", &metrics.fields(&gauges.read()));
    }
}
