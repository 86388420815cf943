//! Requests that are known again by their `Idempotency-Key`, in one table for all
//! resources.
//!
//! The table has the id and the time of what a request made, and a hash of what was
//! asked. The fields themselves come with each repetition: from the two together it is
//! answered as the first one was, whatever has happened since. So no copy of them is
//! kept that would outlive what was deleted.

mod store;

use std::time::Duration;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::time::sleep;
use uuid::Uuid;

use super::clock::Clock;
use super::database::{self, Database};
use crate::context::Context;
use crate::domain::IdempotencyKey;

pub use store::claim;

const TABLE: &str = "idempotency_keys";

/// For how long a request is known again by its key.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How many keys are deleted at once, so that no write waits for long.
const LOT: u32 = 500;

/// The pause between two lots of old keys, in which others write.
const FORGET_PAUSE: Duration = Duration::from_millis(100);

/// The longest that one lot may take.
const FORGET_TIMEOUT: Duration = Duration::from_secs(5);

/// A request under a key.
pub struct Request<'a> {
    scope: &'static str,
    key: &'a IdempotencyKey,
    hash: [u8; 32],
    made: Made,
}

/// What a request makes, or has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub id: Uuid,
    pub time: OffsetDateTime,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This request, which is to be done.
    New,
    /// The same request, which has made this.
    Known(Made),
    /// Another request.
    Reused,
}

impl<'a> Request<'a> {
    /// A request that is done at most once. `scope` is what its key is unique in, such
    /// as the resource; `fields` is all that was asked, each by its name. A field that
    /// was left out is left out here, too, so that a request stays what it was when a
    /// newer version of the service knows more fields.
    pub fn new(
        scope: &'static str,
        key: &'a IdempotencyKey,
        fields: &[(&str, &str)],
        made: Made,
    ) -> Request<'a> {
        Request { scope, key, hash: hash(key, fields), made }
    }

    /// Those that were made before this time are known no more.
    fn oldest(&self) -> OffsetDateTime {
        self.made.time - LIFETIME
    }

    /// What the key stands for, where it is kept for a request of this hash.
    fn compare(&self, hash: &[u8], made: Made) -> Claim {
        match hash == self.hash {
            true => Claim::Known(made),
            false => Claim::Reused,
        }
    }
}

/// SHA-256 of all texts, each after its length, so that none runs into the next. With
/// the key in it, nobody can tell that two requests ask the same.
fn hash(key: &IdempotencyKey, fields: &[(&str, &str)]) -> [u8; 32] {
    let fields = fields.iter().flat_map(|(name, value)| [*name, *value]);
    let mut hash = Sha256::new();
    for text in [key.as_str()].into_iter().chain(fields) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Keeps the table small.
pub struct Forgetting {
    database: Database,
    clock: Clock,
}

impl Forgetting {
    pub fn new(database: Database, clock: Clock) -> Forgetting {
        Forgetting { database, clock }
    }

    /// Forgets the requests that are not known again by their keys any more.
    pub async fn forget_old(&self) {
        loop {
            let context = Context::new("forget", FORGET_TIMEOUT);
            // What failed is in the metrics, and the next time makes up for it.
            if !self.forget_lot(&context).await.unwrap_or(false) {
                return;
            }
            sleep(FORGET_PAUSE).await;
        }
    }

    /// Forgets some of them; tells whether there may be more.
    ///
    /// # Errors
    ///
    /// See [`Database::write`].
    pub async fn forget_lot(&self, context: &Context) -> Result<bool, database::Error> {
        let oldest = self.clock.now() - LIFETIME;
        let delete = || store::delete(&self.database, oldest);
        let deleted = self.database.write(context, "DELETE", TABLE, delete).await?;
        Ok(deleted == u64::from(LOT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> IdempotencyKey {
        IdempotencyKey::new(key).expect("it is right")
    }

    #[test]
    fn a_hash_tells_apart_what_differs_in_any_way() {
        let once = key("once");
        let first = hash(&once, &[("email", "a"), ("name", "bc")]);
        assert_eq!(first, hash(&once, &[("email", "a"), ("name", "bc")]));
        for others in [
            &[("email", "ab"), ("name", "c")][..],
            &[("email", "bc"), ("name", "a")],
            &[("name", "a"), ("email", "bc")],
            &[("email", "a")],
            &[("emaila", ""), ("name", "bc")],
            &[],
        ] {
            assert_ne!(first, hash(&once, others), "{others:?}");
        }
        assert_ne!(first, hash(&key("twice"), &[("email", "a"), ("name", "bc")]));
    }
}
