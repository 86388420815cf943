//! `scaffold preset`: what there is to choose from, and what the author of a preset runs.

mod check;
mod create;
mod dev;
mod maintain;
mod show;
mod test;

pub use check::check;
pub use create::create;
pub use dev::dev;
pub use maintain::{lock, price};
pub use show::{list, schema, show};
pub use test::test;
