//! What becomes of a service past its limits: asked for three times what it can do, for one thing by a thousand clients at
//! once, and stopped while it is asked.
//!
//! Overload and restarts have a short form, which asserts what holds on a machine that has other things to do, and a long
//! one of about `LIMITS_SECONDS`, which also asserts times and shares. What came of a check is printed as a row of a table.

mod client;
mod overload;
mod restart;
mod stampede;

use scaffold::core::preset::answer::Combination;
use std::env;
use std::time::Duration;

use crate::Check;

/// Those that a project with these options can show. The database has to be one that can be made slow, and the service one
/// that counts.
pub fn of(options: &Combination) -> Vec<Check> {
    let has = |option: &str| options.options().any(|(_, chosen)| chosen == option);
    let mut checks = Vec::new();
    if !has("none") && (has("prometheus") || !has("sqlite")) {
        checks.extend(stampede::ALL);
        if !has("sqlite") {
            checks.extend(stampede::FAILING);
        }
        if has("redis") && !has("sqlite") {
            checks.extend(stampede::REPLICAS);
        }
    }
    if ["postgres", "memory", "prometheus"].into_iter().all(has) {
        checks.extend(overload::ALL);
        checks.extend(restart::ALL);
    }
    checks
}

/// How long each check takes, if it is the long form.
fn long() -> Option<Duration> {
    let seconds = env::var("LIMITS_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// Prints what came of a check, as a row of a table.
fn tell(check: &str, options: &[&str], came: &str) {
    println!("\n| {check} | {} | {came} |", options.join("+"));
}
