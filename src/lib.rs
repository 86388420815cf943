//! `scaffold` generates services that their owners are glad to own.
//!
//! A [preset] and the [answers] to its choices [render] to a [tree], which is a project as text in memory. [Merging](merge)
//! that tree with what is there gives a [plan] of what would change, and only the [disk] carries a plan out. Everything
//! up to the plan is pure: it reads no file, asks nobody and starts nothing, and is the lower half of this list. Imports
//! point downward only.

// The edge: people, processes, the disk.
pub mod cli;
pub mod commands;
pub mod report;

pub mod ask;
pub mod cargo;
pub mod disk;
pub mod fetch;
pub mod git;
pub mod incoming;
pub mod interrupt;
pub mod mirror;
pub mod mode;
pub mod record;
pub mod source;
pub mod transport;
pub mod verify;
pub mod watchdog;
pub mod workspace;

// The core.
pub mod check;
pub mod mutants;
pub mod snapshots;

pub mod render;

pub mod combinations;
pub mod merge;
pub mod overlay;
pub mod plan;

pub mod preset;

pub mod address;
pub mod answers;
pub mod choice;
pub mod faults;
pub mod lock;
pub mod manifest;
pub mod prices;
pub mod tree;

pub mod finding;
mod fit;
pub mod quote;
pub mod refusal;
pub mod secrets;
pub mod words;
