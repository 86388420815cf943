//! The time of day, passed in rather than looked up, so that a test can set it.

use time::OffsetDateTime;

/// Tells the time. Clones tell the same.
#[derive(Clone, Copy)]
pub struct Clock(fn() -> OffsetDateTime);

impl Clock {
    /// The machine's clock, in UTC.
    pub fn system() -> Clock {
        Clock(OffsetDateTime::now_utc)
    }

    /// A clock that reads what `now` says.
    pub fn new(now: fn() -> OffsetDateTime) -> Clock {
        Clock(now)
    }

    /// Now, to the microsecond: what every database keeps, so that a time that
    /// was written is the time that is read.
    pub fn now(self) -> OffsetDateTime {
        let now = (self.0)();
        now.replace_nanosecond(now.microsecond() * 1_000).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn a_time_is_kept_to_the_microsecond() {
        let clock = Clock::new(|| OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(1_999));
        assert_eq!(clock.now(), OffsetDateTime::UNIX_EPOCH + Duration::microseconds(1));
    }
}
