//! `scaffold preset`: what there is to choose from, and what the author of a preset runs. One file a verb.

pub mod check;
pub mod dev;
pub mod list;
pub mod lock;
pub mod new;
pub mod price;
pub mod schema;
pub mod show;
pub mod test;
