//! Entries that are to be removed and may still be there, and those that may yet
//! be stored by a call that was not heard of again. Nothing is read from them, so
//! that a server that did not hear of a change, or hears of its past too late, does
//! not undo it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many are remembered.
const AT_MOST: usize = 10_000;

/// How many are removed at once.
const BATCH: usize = 1_000;

/// How long a removal waits that the server refused, so that it keeps none of the
/// others from being asked for.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Removals that the server has not confirmed.
pub struct Removals {
    /// How long an entry lasts. One that should be gone is, after that.
    lifetime: Duration,
    pending: HashMap<String, Pending>,
    /// Entries that may yet be stored, and until when they may be there. To remove
    /// them is no help: what was sent on another connection may arrive after that.
    doubtful: HashMap<String, Instant>,
    /// How many could not be remembered, and when the last one of them expires.
    /// Until then it may be any entry.
    forgotten: Option<(usize, Instant)>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Pending {
    /// When the entry expires by itself.
    expires: Instant,
    /// When to ask for it.
    due: Instant,
}

impl Removals {
    pub fn new(lifetime: Duration) -> Removals {
        Removals { lifetime, pending: HashMap::new(), doubtful: HashMap::new(), forgotten: None }
    }

    /// `entry` is to be removed: from `now` on nothing is read from it.
    pub fn add(&mut self, entry: String, now: Instant) {
        let expires = now + self.lifetime;
        if self.pending.len() < AT_MOST || self.pending.contains_key(&entry) {
            self.pending.insert(entry, Pending { expires, due: now });
        } else {
            self.forgotten = Some((self.forgotten(now) + 1, expires));
        }
    }

    /// Whether `entry` was stored is not known. What is still on its way has as long
    /// to arrive as it lasts then.
    pub fn doubt(&mut self, entry: String, now: Instant) {
        self.doubtful.retain(|_, until| now < *until);
        let until = now + 2 * self.lifetime;
        if self.doubtful.len() < AT_MOST {
            self.doubtful.insert(entry, until);
        } else {
            self.forgotten = Some((self.forgotten(now) + 1, until));
        }
    }

    /// Whether what `entry` holds may be out of date.
    pub fn cover(&self, entry: &str, now: Instant) -> bool {
        let is_doubtful = self.doubtful.get(entry).is_some_and(|until| now < *until);
        self.pending.contains_key(entry) || is_doubtful || self.forgotten(now) > 0
    }

    /// Some of those that are due.
    pub fn batch(&mut self, now: Instant) -> Vec<(String, Instant)> {
        self.pending.retain(|_, removal| now < removal.expires);
        let due = self.pending.iter().filter(|(_, removal)| removal.due <= now);
        due.take(BATCH).map(|(entry, removal)| (entry.clone(), removal.expires)).collect()
    }

    /// One of a batch was removed. If it has been added again since, it is to be
    /// removed again.
    pub fn confirm(&mut self, entry: &str, expires: Instant) {
        if self.pending.get(entry).is_some_and(|removal| removal.expires == expires) {
            self.pending.remove(entry);
        }
    }

    /// The server did not remove one of a batch. It is due again later.
    pub fn refuse(&mut self, entry: &str, now: Instant) {
        if let Some(removal) = self.pending.get_mut(entry) {
            removal.due = now + AGAIN_AFTER;
        }
    }

    /// Whether there is something to be removed.
    pub fn are_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether some of it is to be asked for now.
    pub fn are_due(&self, now: Instant) -> bool {
        self.pending.values().any(|removal| removal.due <= now)
    }

    /// How many entries are out of date if this ends now.
    pub fn lost(&self, now: Instant) -> usize {
        self.pending.len() + self.forgotten(now)
    }

    fn forgotten(&self, now: Instant) -> usize {
        self.forgotten.filter(|(_, expires)| now < *expires).map_or(0, |(count, _)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);

    fn removals() -> (Removals, Instant) {
        (Removals::new(LIFETIME), Instant::now())
    }

    #[test]
    fn an_entry_is_covered_until_its_removal_is_confirmed() {
        let (mut removals, now) = removals();
        removals.add("one".to_owned(), now);
        assert!(removals.cover("one", now));
        assert!(!removals.cover("two", now));
        for (entry, expires) in removals.batch(now) {
            assert!(removals.cover(&entry, now));
            removals.confirm(&entry, expires);
        }
        assert!(!removals.cover("one", now));
        assert!(!removals.are_pending());
    }

    #[test]
    fn an_entry_that_changes_while_it_is_removed_is_removed_again() {
        let (mut removals, now) = removals();
        removals.add("one".to_owned(), now);
        let batch = removals.batch(now);
        removals.add("one".to_owned(), now + Duration::from_millis(1));
        removals.confirm(&batch[0].0, batch[0].1);
        assert!(removals.cover("one", now));
    }

    #[test]
    fn an_entry_that_has_expired_need_not_be_removed() {
        let (mut removals, now) = removals();
        removals.add("one".to_owned(), now);
        assert_eq!(removals.batch(now + LIFETIME), []);
        assert!(!removals.are_pending());
    }

    #[test]
    fn what_the_server_refuses_to_remove_holds_up_no_other() {
        let (mut removals, now) = removals();
        for n in 0..BATCH + 1 {
            removals.add(n.to_string(), now);
        }
        for (entry, _) in removals.batch(now) {
            removals.refuse(&entry, now);
        }
        let other = removals.batch(now);
        assert_eq!(other.len(), 1);
        removals.confirm(&other[0].0, other[0].1);
        assert!(removals.are_pending() && !removals.are_due(now));
        assert_eq!(removals.batch(now + AGAIN_AFTER).len(), BATCH);
    }

    #[test]
    fn an_entry_that_may_be_stored_late_is_covered_whatever_was_removed() {
        let (mut removals, now) = removals();
        removals.doubt("one".to_owned(), now);
        removals.add("one".to_owned(), now);
        for (entry, expires) in removals.batch(now) {
            removals.confirm(&entry, expires);
        }
        assert!(!removals.are_pending());
        assert!(removals.cover("one", now + LIFETIME));
        assert!(!removals.cover("one", now + 2 * LIFETIME));
    }

    #[test]
    fn while_one_is_forgotten_it_may_be_any_entry() {
        let (mut removals, now) = removals();
        for n in 0..=AT_MOST {
            removals.add(n.to_string(), now);
        }
        assert_eq!(removals.lost(now), AT_MOST + 1);
        assert!(removals.cover("another", now));
        while let batch @ [_, ..] = &removals.batch(now)[..] {
            batch.iter().for_each(|(entry, expires)| removals.confirm(entry, *expires));
        }
        assert_eq!(removals.lost(now), 1);
        assert!(removals.cover("another", now));
        assert!(!removals.cover("another", now + LIFETIME));
        assert_eq!(removals.lost(now + LIFETIME), 0);
    }
}
