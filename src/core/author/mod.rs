//! What the author of a preset is told of it: findings, snapshots, conditions that nothing needs.

pub mod check;
pub mod combinations;
pub mod mutants;
pub mod snapshots;
