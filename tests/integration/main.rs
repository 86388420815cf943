//! The program as its users see it, and what holds for the whole of it. One file a subject.

mod support;

mod architecture;
mod check;
mod choices;
mod cli;
mod docs;
mod extends;
mod fetch;
mod format;
mod hostile;
mod interrupts;
mod living;
mod manual;
mod merge;
mod places;
mod preset_dev;
mod preset_new;
mod preset_test;
mod presets;
mod prices;
mod record;
mod rendered;
mod schema;
mod shells;
mod show;
mod snapshots;
mod verify;
