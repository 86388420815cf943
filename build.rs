//! Presets are embedded at compile time. The macro that embeds them sees a changed file, but not a new one.

fn main() {
    println!("cargo:rerun-if-changed=templates");
    println!("cargo:rerun-if-changed=src/commands/preset/kits");
}
