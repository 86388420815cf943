//! The parts of `scaffold new` that are computing: what it costs to have the preset, the text and the lock.
//!
//! `cargo bench`; for the whole command, `benches/new.sh`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use scaffold::core::answers::Answers;
use scaffold::core::cargo_lock::Table;
use scaffold::core::merge::{Ours, merge};
use scaffold::core::preset::{LOCK_TABLE, Preset};
use scaffold::core::render;
use scaffold::core::tree::Tree;
use scaffold::edge::presets;

fn core(criterion: &mut Criterion) {
    let load = || presets::load(presets::DEFAULT).unwrap();
    criterion.bench_function("load the preset", |bencher| bencher.iter(load));

    let preset = load();
    let answers = defaults(&preset);
    let render = || render::render(&preset, &answers).unwrap();
    criterion.bench_function("render the default project", |bencher| bencher.iter(render));

    let table = preset.file(LOCK_TABLE).unwrap();
    let chosen: Vec<_> = answers.choices().options().collect();
    let lock = || {
        Table::parse(black_box(table))
            .unwrap()
            .lockfile("accounts-api", &chosen)
    };
    criterion.bench_function("unite its lock", |bencher| bencher.iter(lock));

    let (empty, tree) = (Tree::default(), render());
    let (nobody, ours) = (Ours::default(), Ours::from(&tree));
    let new = || merge(black_box(&empty), &nobody, &tree);
    criterion.bench_function("plan a new project", |bencher| bencher.iter(new));
    let update = || merge(black_box(&tree), &ours, &tree);
    criterion.bench_function("plan an update that changes nothing", |bencher| {
        bencher.iter(update)
    });
}

fn defaults(preset: &Preset) -> Answers {
    let choices = preset.choices.iter();
    let choices = choices.map(|choice| (choice.name.clone(), choice.default.clone()));
    let name = preset.project_name("accounts-api").unwrap();
    let resources = vec![preset.resource_name("accounts").unwrap()];
    Answers::new(preset, name, choices.collect(), resources).unwrap()
}

criterion_group!(benches, core);
criterion_main!(benches);
