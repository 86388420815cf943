//! What can go wrong in a use case, in its own terms. What that means to a
//! client is for `http` to say.

use crate::infra::Fault;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such thing")]
    NotFound,
    #[error("the email address is taken")]
    EmailTaken,
    #[error("it has been changed since")]
    Stale,
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Error {
    /// Whether a change that ended like this may have happened, or may yet happen.
    pub fn leaves_open(&self) -> bool {
        matches!(self, Error::Fault(Fault::Unavailable(_)))
    }
}
