//! A real Prometheus, and what it says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::project::Running;
use crate::service::free_address;

/// As long as anything may take that it is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Prometheus with a storage of its own. It ends with this value.
pub struct Prometheus {
    url: String,
    _process: Running,
    _storage: TempDir,
}

/// What a query gave: of each series its labels, and its values with their times.
#[derive(Debug)]
pub struct Series {
    pub labels: BTreeMap<String, String>,
    pub values: Vec<(f64, f64)>,
}

impl Prometheus {
    /// Starts it with this configuration, a file's name in that directory.
    pub fn start(directory: &Path, configuration: &str) -> Prometheus {
        let (address, storage) = (free_address(), TempDir::new().unwrap());
        let process = Command::new("prometheus")
            .current_dir(directory)
            .arg(format!("--config.file={configuration}"))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--storage.tsdb.path={}", storage.path().display()))
            .stderr(Stdio::null())
            .spawn();
        Prometheus {
            url: format!("http://{address}/api/v1"),
            _process: Running(process.expect("the Debian package `prometheus` brings it")),
            _storage: storage,
        }
    }

    /// The data of an answer; nothing while it starts.
    pub fn try_get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        self.get(path, parameters).ok()
    }

    /// The values of a query over a time, in steps of a second, but for those that are no numbers.
    ///
    /// # Errors
    ///
    /// It is no query, or can't be evaluated.
    pub fn range(&self, query: &str, from: f64, to: f64) -> Result<Vec<Series>, String> {
        let (from, to) = (from.to_string(), to.to_string());
        let parameters = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let data = self.get("query_range", &parameters)?;
        Ok(data["result"]
            .as_array()
            .expect("a list of series")
            .iter()
            .map(|series| Series {
                labels: serde_json::from_value(series["metric"].clone()).unwrap(),
                values: values(&series["values"]),
            })
            .collect())
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let request = ureq::get(format!("{}/{path}", self.url))
            .config()
            .http_status_as_error(false)
            .build()
            .query_pairs(parameters.iter().copied());
        let mut response = request.call().map_err(|error| error.to_string())?;
        let body = response.body_mut().read_to_string();
        let body = body.map_err(|error| error.to_string())?;
        let said: Value =
            serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match said["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(said["data"].clone()),
        }
    }
}

fn values(pairs: &Value) -> Vec<(f64, f64)> {
    let pairs = pairs.as_array().expect("a list of values").iter();
    let pairs = pairs.map(|pair| {
        let value = pair[1].as_str().expect("a number as text");
        (pair[0].as_f64().unwrap(), value.parse().unwrap())
    });
    pairs
        .filter(|(_, value): &(f64, f64)| value.is_finite())
        .collect()
}

/// The time, as Prometheus counts it.
pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it has not come about");
        thread::sleep(Duration::from_millis(200));
    }
}
