//! What an error of the database means: to the connection, to whether a call is
//! repeated, to the caller and to the metrics. Which code of the server means
//! what is the database's own affair, see `database::meaning`.

use std::io;
use std::sync::Arc;

use super::Fault;
use super::database::{self, meaning};
use super::dependency::{CallError, Failure};
use super::pool::Verdict;
use crate::telemetry::Outcome;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The database refused the data, which is a response like any other.
    Constraint,
    /// It undid the whole transaction for the sake of another one.
    Conflict,
    /// Another transaction held a lock for too long.
    LockTimeout,
    /// The statement took too long.
    StatementTimeout,
    /// The connection ended, or is in no state to be used.
    Broken,
    /// What a connection remembers of a statement is out of date, and so it is on the
    /// others. The statement was not begun.
    Outdated,
    /// The server is not, or not any more, one that takes writes.
    NotPrimary,
    /// The server lacks something, or does not let the service in. That can pass.
    Unavailable,
    /// What a statement names is not there: the schema is not the one it was written
    /// for, or this is not the server that has it.
    Missing,
    /// The statement is wrong.
    Misuse,
    /// Anything else, such as a table that is damaged.
    Unknown,
}

impl Meaning {
    /// What becomes of the connection. It is not kept where another one may lead to a
    /// server that serves, or have the right settings: the fault would last as long
    /// as the connection.
    pub fn verdict(self) -> Verdict {
        match self {
            Meaning::Broken | Meaning::Unknown => Verdict::Close,
            Meaning::Outdated | Meaning::NotPrimary | Meaning::Unavailable | Meaning::Missing => {
                Verdict::Replace
            }
            _ => Verdict::Keep,
        }
    }
}

/// What becomes of the connection on which a statement failed.
pub fn verdict(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(error) => meaning(&**error).verdict(),
        // The statement has ended; what it found is not what was expected.
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => Verdict::Keep,
        _ => Verdict::Close,
    }
}

fn is_timeout(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

impl Failure for sqlx::Error {
    fn outcome(&self) -> Outcome {
        match self {
            sqlx::Error::RowNotFound => Outcome::Ok,
            // All connections were in use: the database was not asked.
            sqlx::Error::PoolTimedOut => Outcome::Rejected,
            sqlx::Error::Io(error) if is_timeout(error) => Outcome::Timeout,
            sqlx::Error::Database(error) => match meaning(&**error) {
                Meaning::Constraint => Outcome::Ok,
                Meaning::LockTimeout | Meaning::StatementTimeout => Outcome::Timeout,
                Meaning::Missing | Meaning::Misuse => Outcome::Misused,
                _ => Outcome::Error,
            },
            _ => Outcome::Error,
        }
    }

    /// A connection that broke may have been the only one to. One that could
    /// not be had in time is not tried for as long again.
    fn is_transient(&self) -> bool {
        match self {
            sqlx::Error::Io(error) => !is_timeout(error),
            sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                matches!(meaning(&**error), Meaning::Broken | Meaning::Outdated)
            }
            _ => false,
        }
    }

    fn is_undone(&self) -> bool {
        let sqlx::Error::Database(error) = self else { return false };
        matches!(meaning(&**error), Meaning::Conflict | Meaning::Outdated)
    }

    fn error_type(&self) -> &'static str {
        match self {
            sqlx::Error::PoolTimedOut => "pool_timeout",
            sqlx::Error::Io(error) if is_timeout(error) => "connect_timeout",
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => "connection",
            sqlx::Error::Database(error) => match meaning(&**error) {
                Meaning::Constraint => "constraint",
                Meaning::Conflict => "conflict",
                Meaning::LockTimeout => "lock_timeout",
                Meaning::StatementTimeout => "statement_timeout",
                Meaning::Broken | Meaning::Outdated => "connection",
                Meaning::NotPrimary => "not_primary",
                Meaning::Missing | Meaning::Misuse => "misuse",
                Meaning::Unavailable | Meaning::Unknown => "database",
            },
            _ => "client",
        }
    }
}

impl From<database::Error> for Fault {
    fn from(error: database::Error) -> Fault {
        let unavailable = match &error {
            CallError::Timeout | CallError::Rejected => true,
            CallError::Failed(error) => match error {
                sqlx::Error::Database(error) => !matches!(
                    meaning(&**error),
                    Meaning::Constraint | Meaning::Missing | Meaning::Misuse | Meaning::Unknown
                ),
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                _ => false,
            },
        };
        match unavailable {
            true => Fault::Unavailable(Arc::new(error)),
            false => Fault::Internal(Arc::new(error)),
        }
    }
}
