//! `scaffold` generates services that their owners are glad to own.
//!
//! A [preset](core::preset) and the [answers](core::answers) to its choices [render](core::render) to a
//! [tree](core::tree), which is a project as text in memory. [Merging](core::merge) that tree with what is there gives a
//! [plan](core::plan) of what would change, and only the [edge] carries a plan out.
//!
//! The [core] is pure: it reads no file, asks nobody and starts nothing. The edge talks to people, the disk and
//! processes, and imports the core; the [commands] put both together. Imports point in this direction only.

pub mod cli;
pub mod commands;
pub mod core;
pub mod edge;
