//! `scaffold preset`: what there is to choose from, and what the maintainer of a preset runs.

mod maintain;
mod show;

pub use maintain::{lock, price};
pub use show::{list, show};
