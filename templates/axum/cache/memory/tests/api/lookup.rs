//! What a look-up in the memory of the process costs.

use crate::ITEMS;
use crate::cost::allocations;

/// The most allocations of a request whose response is cached.
const CACHED_READ: u64 = 48;

#[test]
fn a_cached_read_allocates_no_more_than_it_is_known_to() {
    let counted = allocations(|id| format!("{ITEMS}/{id}"));
    assert!(counted <= CACHED_READ, "{counted} allocations");
}
