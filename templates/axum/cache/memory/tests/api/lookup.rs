//! What a look-up in the memory of the process costs.

use crate::{ITEMS, cost};

/// The most allocations of a request whose response is cached, without what counting adds.
const CACHED_READ: u64 = 46;

#[test]
fn a_cached_read_allocates_no_more_than_it_is_known_to() {
    cost::check(CACHED_READ, |id| format!("{ITEMS}/{id}"));
}
