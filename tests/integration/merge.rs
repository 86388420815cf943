//! Base, ours and theirs as three small trees, and the plan. No disk.

use std::collections::BTreeMap;

use proptest::prelude::*;
use scaffold::core::answers::Answers;
use scaffold::core::author::combinations;
use scaffold::core::merge::{Ours, merge};
use scaffold::core::plan::{Change, Piece, Plan};
use scaffold::core::preset::Preset;
use scaffold::core::preset::answer::Combination;
use scaffold::core::render::render;
use scaffold::core::tree::Tree;
use scaffold::edge::presets;

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(*path, format!("{text}\n")).unwrap();
    }
    tree
}

fn ours(files: &[(&str, &str)]) -> Ours {
    Ours::from(&tree(files))
}

/// What becomes of one file.
fn merged(path: &str, base: &str, ours: &str, theirs: &str) -> String {
    let one = |text: &str| {
        let mut tree = Tree::default();
        tree.insert(path, text.to_owned()).unwrap();
        tree
    };
    let (base, ours, theirs) = (one(base), Ours::from(&one(ours)), one(theirs));
    let plan = merge(&base, &ours, &theirs);
    match plan.changes().next().unwrap() {
        (_, Change::Update(text)) => text.to_string(),
        (_, Change::Conflict(conflict)) => conflict.marked(),
        (_, change) => change.verb().to_owned(),
    }
}

#[test]
fn into_nothing_everything_is_created() {
    let theirs = tree(&[("src/main.rs", "fn main() {}"), ("README.md", "# Shop")]);
    insta::assert_snapshot!(merge(&Tree::default(), &Ours::default(), &theirs), @"
    create   README.md
    create   src/main.rs
    ");
}

#[test]
fn what_only_they_changed_follows_them() {
    let base = [("changed", "1"), ("gone", "1"), ("same", "1")];
    let theirs = tree(&[("changed", "2"), ("new", "2"), ("same", "1")]);
    insta::assert_snapshot!(merge(&tree(&base), &ours(&base), &theirs), @"
    update   changed
    delete   gone
    create   new
    keep     same
    ");
}

#[test]
fn what_only_we_changed_stays_ours() {
    let base = tree(&[("changed", "1"), ("gone", "1"), ("same", "1")]);
    let ours = ours(&[("changed", "2"), ("new", "2"), ("same", "1")]);
    insta::assert_snapshot!(merge(&base, &ours, &base), @"
    keep     changed
    keep     same
    ");
}

#[test]
fn what_we_deleted_stays_away_and_what_does_not_go_together_is_a_conflict() {
    let base = tree(&[
        ("alike", "1"),
        ("both", "1"),
        ("we deleted", "1"),
        ("they deleted", "1"),
        ("both deleted", "1"),
        ("no text", "1"),
    ]);
    let mut ours = ours(&[
        ("alike", "2"),
        ("both", "ours"),
        ("they deleted", "ours"),
        ("both new", "ours"),
    ]);
    ours.insert_other("no text");
    let theirs = tree(&[
        ("alike", "2"),
        ("both", "theirs"),
        ("we deleted", "theirs"),
        ("both new", "theirs"),
        ("no text", "theirs"),
    ]);
    insta::assert_snapshot!(merge(&base, &ours, &theirs), @"
    keep      alike
    conflict  both
    conflict  both new
    conflict  no text
    conflict  they deleted
    stay away we deleted
    ");
}

#[test]
fn only_what_is_created_or_updated_is_written() {
    let base = tree(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let ours = ours(&[("a", "1"), ("b", "ours"), ("c", "1")]);
    let theirs = tree(&[("a", "2"), ("b", "theirs"), ("d", "2")]);
    let plan = merge(&base, &ours, &theirs);
    assert_eq!(
        plan.writes().collect::<Vec<_>>(),
        [("a", "2\n"), ("d", "2\n")]
    );
    assert_eq!(plan.deletes().collect::<Vec<_>>(), ["c"]);
    assert_eq!(plan.conflicts().count(), 1);
}

#[test]
fn changes_at_two_places_of_a_file_go_together() {
    let merged = merged(
        "a",
        "1\n2\n3\n4\n5\n",
        "one\n2\n3\n4\n5\n",
        "1\n2\n3\n4\nfive\n",
    );
    assert_eq!(merged, "one\n2\n3\n4\nfive\n");
}

#[test]
fn changes_at_one_place_are_shown_as_both_sides_have_them() {
    let merged = merged("a", "1\n2\n3\n", "1\nours\n3\n", "1\ntheirs\n3");
    insta::assert_snapshot!(merged, @"
    1
    <<<<<<< yours
    ours
    3
    ||||||| rendered before
    2
    3
    =======
    theirs
    3
    >>>>>>> rendered now
    ");
}

#[test]
fn a_merge_that_does_not_lead_back_is_a_conflict() {
    // Which of the lines that are alike they changed, and after which the owner added one, nobody can tell.
    let merged = merged("a", "}\n}\n", "}\n}\n}\n", "a\n}\n");
    insta::assert_snapshot!(merged, @"
    <<<<<<< yours
    }
    }
    }
    ||||||| rendered before
    }
    }
    =======
    a
    }
    >>>>>>> rendered now
    ");
}

#[test]
fn the_line_ends_of_windows_stay_where_they_are() {
    let merged = merged(
        "a",
        "1\n2\n3\n4\n",
        "one\r\n2\r\n3\r\n4\r\n",
        "1\n2\n3\nfour\n",
    );
    assert_eq!(merged, "one\r\n2\r\n3\r\nfour\r\n");
}

#[test]
fn a_manifest_is_merged_by_its_keys() {
    let base = "[package]\nname = \"shop\"\n\n[dependencies]\naxum = \"0.8\"\nserde = { version = \"1\", features = [\"derive\"] }\ntokio = \"1\"\n";
    let ours = "[package]\nname = \"shop\"\n\n[dependencies]\n# Ours.\naxum = \"0.8\"\nclap = \"4\"\nserde = { version = \"1\", features = [\"derive\", \"rc\"] } # why\ntokio = \"1\"\n";
    let theirs = "[package]\nname = \"shop\"\n\n[dependencies]\naxum = \"0.9\"\nbytes = \"1\"\nserde = { version = \"1\", features = [\"derive\", \"std\"] }\n\n[lints.rust]\nunsafe_code = \"forbid\"\n";
    insta::assert_snapshot!(merged("Cargo.toml", base, ours, theirs), @r#"
    [package]
    name = "shop"

    [dependencies]
    # Ours.
    axum = "0.9"
    bytes = "1"
    clap = "4"
    serde = { version = "1", features = ["derive", "rc", "std"] } # why

    [lints.rust]
    unsafe_code = "forbid"
    "#);
}

#[test]
fn a_key_that_both_changed_is_a_conflict() {
    let merged = merged("Cargo.toml", "a = 1\n", "a = 2\n", "a = 3\n");
    assert!(merged.contains("<<<<<<< yours\na = 2\n"), "{merged}");
}

#[test]
fn a_manifest_that_two_lines_would_break_is_merged_by_its_keys() {
    // Line by line both go together, and no parser takes the same key twice.
    let base = "[a]\nx = 1\n\n[b]\ny = 1\n";
    let ours = "[a]\nx = 1\nz = 1\n\n[b]\ny = 1\n";
    let theirs = "[a]\nz = 1\nx = 1\n\n[b]\ny = 2\n";
    assert_eq!(
        merged("Cargo.toml", base, ours, theirs),
        "[a]\nx = 1\nz = 1\n\n[b]\ny = 2\n"
    );
}

#[test]
fn what_an_owner_says_of_a_key_is_not_lost_with_it() {
    for (base, ours, theirs) in [
        (
            "[features]\ndefault = [\"a\", \"b\"]\n",
            "[features]\ndefault = [\n    \"a\",\n    # OWN\n    \"mine\",\n    \"b\",\n]\n",
            "[features]\ndefault = [\"a\", \"b\", \"c\"]\n",
        ),
        (
            "[features]\ndefault = [\"a\", \"b\"]\n",
            "[features]\ndefault = [\n    \"a\", # OWN\n    \"b\",\n]\n",
            "[features]\ndefault = [\"a\", \"b\", \"c\"]\n",
        ),
        (
            "[dependencies]\na = \"1\"\nb = \"1\"\n",
            "[dependencies]\na = \"1\"\n# OWN\nb = \"1\"\n",
            "[dependencies]\na = \"1\"\n",
        ),
        (
            "[profile.release]\nlto = true\n",
            "# OWN\n[profile.release]\nlto = true # because\n",
            "",
        ),
        (
            "[dependencies]\na = { version = \"1\", features = [\"x\"] }\n",
            "[dependencies.a]\n# OWN\nversion = \"1\"\nfeatures = [\"x\"]\n",
            "[dependencies]\na = { version = \"2\", features = [\"x\"] }\n",
        ),
        (
            "[[bin]]\nname = \"a\"\npath = \"a.rs\"\n",
            "[[bin]]\nname = \"a\"\n# OWN\npath = \"a.rs\"\n",
            "[[bin]]\nname = \"a\"\npath = \"b.rs\"\n",
        ),
        (
            "[dependencies]\nserde.version = \"1\"\n",
            "[dependencies]\n# OWN\nserde.version = \"1\" # why\n",
            "[dependencies]\nserde = { version = \"2\" }\n",
        ),
        (
            "[dependencies.tokio]\nversion = \"1\"\nfeatures = [\"rt\"]\n",
            "[dependencies]\ntokio = { version = \"1\", features = [\"rt\", \"mine\"] } # OWN\n",
            "[dependencies.tokio]\nversion = \"1\"\nfeatures = [\"rt\"]\ndefault-features = false # lean\n",
        ),
    ] {
        let merged = merged("Cargo.toml", base, ours, theirs);
        assert!(merged.contains("OWN"), "{merged}");
        let is_clean = !merged.contains("<<<<<<<");
        assert!(
            !is_clean || merged.parse::<toml::Table>().is_ok(),
            "{merged}"
        );
    }
}

#[test]
fn a_list_whose_order_means_something_is_a_conflict() {
    for (base, ours, theirs) in [
        (
            "[run]\nargs = [\"-C\", \"a\"]\n",
            "[run]\nargs = [\"-C\", \"a\", \"-D\", \"x\"]\n",
            "[run]\nargs = [\"-C\", \"a\", \"-C\", \"b\"]\n",
        ),
        (
            "bin = [{ name = \"a\", path = \"a.rs\" }]\n",
            "bin = [{ name = \"a\", path = \"mine.rs\" }]\n",
            "bin = [{ name = \"a\", path = \"theirs.rs\" }]\n",
        ),
    ] {
        let merged = merged("Cargo.toml", base, ours, theirs);
        assert!(merged.contains("<<<<<<< yours"), "{merged}");
    }
}

/// How often each line is in a text.
fn count(text: &str) -> BTreeMap<&str, i64> {
    let mut count = BTreeMap::new();
    for line in text.lines() {
        *count.entry(line.trim_end()).or_default() += 1;
    }
    count
}

/// A line of the owner's that is neither in the file that it gets nor in a conflict. What theirs took away of lines that
/// were rendered is not the owner's.
fn lost<'o>(base: &str, ours: &'o str, theirs: &str, plan: &Plan) -> Option<&'o str> {
    let (mut own, mut all) = (String::new(), String::new());
    match plan.changes().next() {
        Some((_, Change::Conflict(conflict))) => {
            for piece in &conflict.pieces {
                match piece {
                    Piece::Clean(lines) => [&mut own, &mut all].map(|text| text.push_str(lines)),
                    Piece::Both { ours, theirs, .. } => {
                        all.push_str(&format!("{ours}\n{theirs}\n"));
                        [own.push_str(&format!("{ours}\n")), ()]
                    }
                };
            }
        }
        Some((_, Change::Create(text))) => own.push_str(text),
        Some((_, Change::Update(text))) => own.push_str(text),
        _ => own.push_str(ours),
    }
    all.push_str(if all.is_empty() { &own } else { "" });
    let [base, theirs, own, all] = [base, theirs, &own, &all].map(count);
    let times = |count: &BTreeMap<&str, i64>, line| count.get(line).copied().unwrap_or_default();
    count(ours).into_iter().find_map(|(line, count)| {
        let added = count - times(&base, line);
        let taken_away = (times(&base, line) - times(&theirs, line)).max(0);
        let is_lost = times(&own, line) < added || times(&all, line) < count - taken_away;
        is_lost.then_some(line)
    })
}

fn single(text: &str) -> Tree {
    let mut tree = Tree::default();
    tree.insert("a", text.to_owned()).unwrap();
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_of_the_owner_s_is_lost(base in "([abc}]\n){0,12}", ours in "([abcd}]\n){0,12}", theirs in "([abce}]\n){0,12}") {
        let (b, o, t) = (single(&base), Ours::from(&single(&ours)), single(&theirs));
        let plan = merge(&b, &o, &t);
        prop_assert_eq!(lost(&base, &ours, &theirs, &plan), None, "{}", plan);
    }

    #[test]
    fn to_merge_again_changes_nothing(base in "([abc}]\n){0,12}", edits in prop::collection::vec((0_usize..12, "[xy]"), 0..3), theirs in "([abce}]\n){0,12}") {
        let mut lines: Vec<String> = base.lines().map(str::to_owned).collect();
        for (at, line) in edits {
            lines.insert(at.min(lines.len()), line);
        }
        let ours: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (b, t) = (single(&base), single(&theirs));
        let before = Ours::from(&single(&ours));
        let plan = merge(&b, &before, &t);
        if let Some((_, Change::Update(text))) = plan.changes().next() {
            // What was rendered now is the base from now on.
            let after = Ours::from(&single(text));
            let again = merge(&t, &after, &t);
            prop_assert!(again.writes().next().is_none());
        }
        prop_assert!(merge(&b, &before, &b).writes().next().is_none());
    }
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// What an owner does to a file: lines are added, changed, taken away and moved.
fn edited(text: &str, numbers: &mut Numbers) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in 0..1 + numbers.below(4) {
        let at = numbers.below(lines.len() + 1);
        match numbers.below(4) {
            0 => lines.insert(at, format!("    // the owner's {edit}")),
            1 if at < lines.len() => lines[at].push_str(" // changed"),
            2 if at < lines.len() => drop(lines.remove(at)),
            3 if at < lines.len() => {
                let line = lines.remove(at);
                lines.insert(numbers.below(lines.len() + 1), line);
            }
            _ => {}
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

pub fn project(preset: &Preset, options: Combination) -> Tree {
    let name = preset.project_name("accounts-api").unwrap();
    let resources = vec![preset.resource_name("accounts").unwrap()];
    render(
        preset,
        &Answers::new(preset, name, options, resources).unwrap(),
    )
    .unwrap()
}

/// Every two projects that differ in one choice, in both directions, and an owner who changed each file that differs.
#[test]
fn of_thousands_of_merges_of_real_projects_none_loses_a_line() {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let all = combinations::all(&preset.choices);
    let projects: Vec<(Combination, Tree)> = all
        .into_iter()
        .map(|options| (options.clone(), project(&preset, options)))
        .collect();
    let differ_in_one = |one: &Combination, other: &Combination| {
        let differs = |choice: &&str| one.get(choice) != other.get(choice);
        one.iter().map(|(choice, _)| choice).filter(differs).count() == 1
    };
    let mut numbers = Numbers(0x5CAF_F01D);
    let (mut clean, mut conflicts) = (0, 0);
    for (one, base) in &projects {
        for (other, theirs) in &projects {
            if !differ_in_one(one, other) {
                continue;
            }
            for (path, text) in base.iter().filter(|(path, _)| *path != "Cargo.lock") {
                let Some(their_text) = theirs.get(path).filter(|theirs| *theirs != text) else {
                    continue;
                };
                for _owner in 0..2 {
                    let our_text = edited(text, &mut numbers);
                    let one_file = |text: &str| {
                        let mut tree = Tree::default();
                        tree.insert(path, text.to_owned()).unwrap();
                        tree
                    };
                    let (b, o, t) = (one_file(text), one_file(&our_text), one_file(their_text));
                    let o = Ours::from(&o);
                    let plan = merge(&b, &o, &t);
                    // By its keys a manifest is merged without the lines of comments that are no key's.
                    if path != "Cargo.toml" {
                        let lost = lost(text, &our_text, their_text, &plan);
                        assert_eq!(
                            lost,
                            None,
                            "`{path}` from {} to {}",
                            one.name(),
                            other.name()
                        );
                    }
                    match plan.conflicts().count() {
                        0 => clean += 1,
                        _ => conflicts += 1,
                    }
                }
            }
        }
    }
    println!("{clean} merges are clean, {conflicts} are conflicts");
    assert!(clean + conflicts > 3_000);
    assert!(clean > conflicts);
}
