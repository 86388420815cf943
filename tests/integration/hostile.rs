//! Presets that mean harm, or are broken as if they did: each is refused with a reason, and nothing is written.

#![cfg(unix)]

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::assert_seen;
use crate::support;
use crate::support::{Seen, Test};
use proptest::prelude::*;
use scaffold::core::answers::Answers;
use scaffold::core::preset::answer::{Answer, Combination};
use scaffold::core::preset::manifest::Manifest;
use scaffold::core::preset::{Files, Preset};
use scaffold::core::render::render;
use scaffold::core::tree::unsafe_path;
use scaffold::edge::presets;

/// What is made of a preset, which is nothing.
fn refused(test: &Test) -> Seen {
    let started = Instant::now();
    let seen = test.run(&["new", "shop", "--preset", "house", "--yes", "--no-git"]);
    assert!(started.elapsed() < Duration::from_secs(60));
    assert!(matches!(seen.code, Some(1 | 2)), "{seen}");
    assert!(!test.dir().join("shop").exists());
    seen
}

fn preset(files: &[(&str, &str)]) -> Test {
    let test = Test::new();
    test.preset(files);
    test
}

/// A preset with this template, made in little memory: what it takes more, it is refused.
fn template(text: &str) -> Seen {
    let test = preset(&[("base/file.md.jinja", text)]);
    let program = env!("CARGO_BIN_EXE_scaffold");
    let line = format!("ulimit -v 1500000; {program} new shop --preset house --yes --no-git");
    let mut shell = Command::new("bash");
    test.at_home(shell.args(["-c", &line]));
    let started = Instant::now();
    let seen = test.see(&mut shell);
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_eq!(
        seen.code,
        Some(1),
        "{}...: {seen}",
        text.chars().take(60).collect::<String>()
    );
    assert!(!test.dir().join("shop").exists());
    seen
}

#[test]
fn a_path_that_some_system_can_not_have_is_refused() {
    for path in [
        "C:/a",
        "C:a",
        "con",
        "CON.txt",
        "nul.txt",
        "a/Com1.tar.gz",
        "lpt9",
        "a.",
        "a ",
        "a./b",
        "a<b",
        "a>b",
        "a\"b",
        "a|b",
        "a?b",
        "a*b",
        "a\\b",
        "a\u{7}b",
        ".git/hooks/pre-commit",
        "a/.GIT/config",
        "git~1/config",
    ] {
        let seen = refused(&preset(&[(&format!("base/{path}"), "")]));
        assert!(seen.stderr.contains("the path `base/"), "{path}: {seen}");
    }
    // What a disk can't have, a repository or a program can still say.
    for path in ["/etc/passwd", "../up", "a/../../b", "", "a//b"] {
        assert!(unsafe_path(path).is_some(), "{path}");
    }
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let long = format!("base/{}/{}", "a".repeat(100), "b".repeat(100));
    assert_seen!(refused(&preset(&[(&long, "")])), @"
    exit 1
    --- stderr
    error: the preset `house` has a path of more than 200 characters: `base/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...`
    help: some systems can't have it: shorten it
    ");
}

#[test]
fn paths_that_collide_on_some_disks_are_refused() {
    assert_seen!(refused(&preset(&[("base/README.md", ""), ("base/readme.md", "")])), @"
    exit 1
    --- stderr
    error: `README.md` and `readme.md` are the same to systems that do not tell upper case from lower case
    help: rename one of them
    ");
    assert_seen!(refused(&preset(&[("base/Docs/x", ""), ("base/docs/y", "")])), @"
    exit 1
    --- stderr
    error: `Docs` and `docs` are the same to systems that do not tell upper case from lower case
    help: rename one of them
    ");
    assert_seen!(refused(&preset(&[("base/{{resource}}", ""), ("base/Shops/y", "")])), @"
    exit 1
    --- stderr
    error: `Shops` and `shops` are the same to systems that do not tell upper case from lower case
    help: rename one of them
    ");
    assert_seen!(refused(&preset(&[("base/{{resource}}", ""), ("base/shops/y", "")])), @"
    exit 1
    --- stderr
    error: base/{{resource}}: `shops/y` is a file and `shops` needs a directory, or the other way round
    help: rename one of them
    ");
}

#[test]
fn two_files_of_a_layer_for_one_path_are_refused() {
    assert_seen!(refused(&preset(&[("base/app.rs", ""), ("base/app.rs.jinja", "")])), @"
    exit 1
    --- stderr
    error: `base/app.rs` and `base/app.rs.jinja` become the same file
    help: keep one of them
    ");
    let list = ("base/README.md.jinja", "{{ fragments(\"list\") }}");
    assert_seen!(refused(&preset(&[list, ("base/_list", ""), ("base/_list.jinja", "")])), @"
    exit 1
    --- stderr
    error: `base/_list` and `base/_list.jinja` become the same file
    help: keep one of them
    ");
}

#[test]
fn links_and_loops_of_directories_are_refused() {
    let test = preset(&[("base/README.md", "")]);
    symlink("..", test.dir().join("house/base/loop")).unwrap();
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: the preset has a link: `house/base/loop`
    help: put the file itself there
    ");
    let test = preset(&[("base/README.md", "")]);
    fs::rename(
        test.dir().join("house/preset.toml"),
        test.dir().join("house/real.toml"),
    )
    .unwrap();
    symlink("real.toml", test.dir().join("house/preset.toml")).unwrap();
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: the preset has a link: `house/preset.toml`
    help: put the file itself there
    ");
}

#[test]
fn a_link_where_the_project_goes_is_refused() {
    let test = preset(&[("base/README.md", "")]);
    fs::create_dir(test.dir().join("elsewhere")).unwrap();
    symlink("elsewhere", test.dir().join("link")).unwrap();
    let seen = test.run(&["new", "shop", "--preset", "house", "--into", "link"]);
    assert_eq!(seen.code, Some(2), "{seen}");
    assert!(support::paths(&test.dir().join("elsewhere")).is_empty());
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let test = preset(&[("base/README.md", "")]);
    let made = Command::new("mkfifo")
        .arg(test.dir().join("house/base/pipe"))
        .status();
    assert!(made.unwrap().success());
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: `base/pipe` of the preset `house` is neither a file nor a directory
    ");
    let test = preset(&[("base/README.md", "")]);
    let _socket = UnixListener::bind(test.dir().join("house/base/socket")).unwrap();
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: `base/socket` of the preset `house` is neither a file nor a directory
    ");
    // A manifest that nobody ever writes.
    let test = Test::new();
    fs::create_dir(test.dir().join("house")).unwrap();
    Command::new("mkfifo")
        .arg(test.dir().join("house/preset.toml"))
        .status()
        .unwrap();
    assert_seen!(refused(&test), @"
    exit 2
    --- stderr
    error: there is no preset `house`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    ");
}

#[test]
fn too_many_files_are_refused_before_they_are_read() {
    let test = preset(&[]);
    fs::create_dir(test.dir().join("house/base")).unwrap();
    for index in 0..10_000 {
        fs::write(test.dir().join(format!("house/base/{index}")), b"\xff").unwrap();
    }
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: the preset `house` has more than [N] files
    help: is it the right directory?
    ");
}

#[test]
fn too_much_text_is_refused_before_it_is_read() {
    let test = preset(&[]);
    fs::create_dir(test.dir().join("house/base")).unwrap();
    for index in 0..9 {
        let file = fs::File::create(test.dir().join(format!("house/base/{index}"))).unwrap();
        file.set_len(4 << 20).unwrap();
    }
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: the preset `house` is larger than 33554432 bytes
    help: is it the right directory?
    ");
}

#[test]
fn a_template_reads_no_other_file() {
    for text in [
        "{% include \"/etc/passwd\" %}",
        "{% import \"/etc/passwd\" as x %}",
        "{% from \"/etc/passwd\" import x %}",
        "{% extends \"/etc/passwd\" %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ] {
        assert!(
            template(text).stderr.contains("unknown statement"),
            "{text}"
        );
    }
    assert_seen!(template("{{ debug() }}"), @"
    exit 1
    --- stderr
    error: `base/file.md.jinja` is a broken template: unknown function: debug is unknown
      |
    1 | {{ debug() }}
      |    ^^^^^^^
    help: functions are `fragments(NAME)` and `range(N)`
    ");
}

#[test]
fn a_template_that_wants_too_much_ends() {
    for text in [
        "{{ \"x\" * 10**9 }}",
        "{{ \"x\"|center(1000000000) }}",
        "{{ (\"x\\n\" * 1000)|indent(100000000) }}",
        "{{ \"%1000000000d\"|format(1) }}",
        "{{ \"%.1000000000f\"|format(1.5) }}",
        "{{ \"a\".ljust(1000000000) }}",
        "{{ range(10**9)|join }}",
        "{{ range(10**9)|list|length }}",
        "{{ ([1] * 10**9)|list|length }}",
        "{{ [1]|batch(100000000, 1)|list|length }}",
        "{{ (\"a\" * 1000000)|replace(\"a\", \"b\" * 1000000) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{{ \"y\" * 1000 }}{% endfor %}",
        "{% set x %}{% for i in range(99999) %}{{ \"y\" * 1000 }}{% endfor %}{% endset %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ] {
        template(text);
    }
    let doubled = |what: &str, end: &str| {
        format!(
            "{{% set x = {what} %}}{}{end}",
            "{% set x = x ~ x %}".repeat(60)
        )
    };
    template(&doubled("name", ""));
    let doubled = |end: &str| {
        format!(
            "{{% set x = [1] %}}{}{end}",
            "{% set x = [x, x] %}".repeat(60)
        )
    };
    template(&doubled("{% if x|string %}{% endif %}"));
}

#[test]
fn a_template_that_nests_deeply_does_not_crash() {
    for (part, end) in [
        ("(", ""),
        ("[", ""),
        ("-", "1"),
        ("not ", "1"),
        ("1 + ", "1"),
        ("1 if 1 else ", "1"),
        ("name ~ ", "1"),
    ] {
        let parts = part.repeat(60_000 / part.len());
        template(&format!("{{{{ undefined + {parts}{end} }}}}"));
    }
    template(&"{% if 1 %}".repeat(6_000));
    template(&"{% for a in [1] %}".repeat(3_000));
    template(&format!(
        "{{{{ undefined + name{} }}}}",
        "|upper".repeat(10_000)
    ));
    template(&format!(
        "{{% set x = [1] %}}{}{{{{ undefined ~ x }}}}",
        "{% set x = [x] %}".repeat(3_500)
    ));
    template(&format!(
        "{{% set x = [1] %}}{}{{{{ x == undefined }}}}",
        "{% set x = {1: x} %}".repeat(3_000)
    ));
    // Some of this makes the engine itself panic.
    template(&"{#".repeat(30_000));
}

#[test]
fn a_template_that_outwits_the_count_of_its_work_is_stopped() {
    let text = format!(
        "{{% set x = [1] %}}{}{{{{ x|length }}}}",
        "{% set x = x + x %}".repeat(60)
    );
    // Which of the two comes first depends on the machine.
    let reasons = ["longer than 20 seconds", "too much memory"];
    let seen = template(&text);
    let is_told = |reason: &&str| {
        seen.stderr == format!("error: the templates of the preset take {reason}\n")
    };
    assert!(reasons.iter().any(is_told), "{seen}");
}

#[test]
fn a_manifest_of_which_everything_is_wrong_is_told_soon() {
    let head = "name = \"house\"\ndescription = \"\"\n";
    let manifest = |line: &dyn Fn(usize) -> String| {
        let lines: String = (0..2_500).map(line).collect();
        let test = Test::new();
        test.preset(&[("preset.toml", &format!("{head}{lines}"))]);
        let started = Instant::now();
        let seen = test.run(&["preset", "check", "house"]);
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(seen.code, Some(1));
        refused(&test);
        seen.stderr.lines().last().unwrap().to_owned()
    };
    assert_eq!(manifest(&|n| format!("x{n} = 1\n")), "error: 100 findings");
    assert_eq!(
        manifest(&|_| "[[choice]]\na = 1\n".to_owned()),
        "error: 100 findings"
    );
    let test = Test::new();
    test.preset(&[("preset.toml", &format!("{head}{}", "# a\n".repeat(20_000)))]);
    assert_seen!(refused(&test), @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is larger than a manifest may be, 65536 bytes
    help: it says what is asked; what is made belongs into layers
    ");
}

#[test]
fn a_template_that_is_too_large_is_refused() {
    assert_seen!(template(&"a".repeat(65 * 1024)), @"
    exit 1
    --- stderr
    error: `base/file.md.jinja` is larger than a template may be, 65536 bytes
    help: what does not vary can be a file of its own, without `.jinja`
    ");
}

#[test]
fn a_file_that_becomes_too_large_is_refused() {
    assert_seen!(template("{% for i in range(5) %}{{ \"y\" * 1000000 }}{% endfor %}"), @"
    exit 1
    --- stderr
    error: `base/file.md.jinja` becomes larger than 4194304 bytes
    help: look for a loop that writes too much
    ");
}

fn files(files: &[(&str, &str)]) -> Files {
    let own = |(path, text): &(&str, &str)| {
        (
            Cow::Owned((*path).to_owned()),
            Cow::Owned((*text).to_owned()),
        )
    };
    files.iter().map(own).collect()
}

const MANIFEST: &str = "name = \"house\"\ndescription = \"\"\n[[choice]]\nname = \"database\"\nprompt = \"\"\ndefault = \"files\"\n[[choice.option]]\nname = \"files\"\nhelp = \"\"\n";

fn parse(files: Files) -> anyhow::Result<Preset> {
    Preset::new(Manifest::parse(&files)?, files, None)
}

/// How many cases of each; more of them where somebody has the time: `PROPTEST_CASES=100000`.
fn cases() -> u32 {
    let said = std::env::var("PROPTEST_CASES");
    said.map_or(300, |said| said.parse().unwrap())
}

/// A manifest with so many flags.
fn flags(count: usize) -> String {
    let flag =
        |index| format!("[[choice]]\nname = \"f{index}\"\nprompt = \"?\"\nkind = \"flag\"\n");
    let flags: String = (0..count).map(flag).collect();
    format!("name = \"house\"\ndescription = \"Ours\"\n\n{flags}")
}

#[test]
fn more_choices_than_anybody_answers_are_refused() {
    let test = Test::new();
    test.preset(&[("preset.toml", &flags(1_000)), ("base/a", "")]);
    let seen = test.run(&["preset", "check", "house"]);
    assert_eq!(seen.code, Some(1), "{seen}");
    assert!(
        seen.stderr
            .contains("there are 1000 choices, and a preset has 64 at most"),
        "{seen}"
    );
    // Also where several presets have them together.
    let extending = format!(
        "extends = \"../house\"\n{}",
        flags(40)
            .replace("name = \"f", "name = \"g")
            .replace("\"house\"", "\"ours\"")
    );
    test.write("house/preset.toml", &flags(40))
        .write("ours/preset.toml", &extending);
    let seen = test.run(&["new", "shop", "--yes", "--preset", "ours"]);
    assert!(
        seen.stderr
            .contains("there are 80 choices, and a preset has 64 at most"),
        "{seen}"
    );
}

#[test]
fn more_combinations_than_anybody_waits_for_are_refused() {
    let test = Test::new();
    test.preset(&[("preset.toml", &flags(20)), ("base/a", "")]);
    assert_seen!(test.run(&["verify", "--preset", "house", "--all", "--level", "render"]), @"
    exit 2
    --- stderr
    error: there are more than 4096 combinations
    help: say `--pairs`, or fewer with `--only CHOICE=OPTION`
    ");
    let pairs = [
        "verify", "--preset", "house", "--pairs", "--only", "f0=yes", "--level", "render",
    ];
    assert_eq!(test.run(&pairs).code, Some(0));
}

#[cfg(unix)]
#[test]
fn a_snapshot_without_an_end_is_not_read() {
    let test = Test::new();
    test.preset(&[("base/a", "")]);
    assert_eq!(
        test.run(&["preset", "test", "house", "--level", "render", "--accept"])
            .code,
        Some(0)
    );
    let snapshot = std::fs::File::create(test.dir().join("house/snapshots/default.txt")).unwrap();
    snapshot.set_len(10_000_000_000).unwrap();
    assert_seen!(test.run(&["preset", "test", "house", "--level", "render"]), @"
    exit 1
    --- stderr
    error: `house/snapshots/default.txt` is larger than a snapshot may be, 33554432 bytes
    help: remove it, and write it anew with `--accept`
    ");
}

#[test]
fn what_a_terminal_would_obey_is_refused_in_a_manifest_and_written_out_elsewhere() {
    let test = Test::new();
    let manifest = "name = \"house\"\ndescription = \"\\u001B]52;c;aGk=\\u0007\"\n";
    test.preset(&[("preset.toml", manifest), ("base/a", "")]);
    for args in [
        &["new", "shop", "--yes", "--preset", "house"][..],
        &["preset", "show", "house"],
        &["preset", "check", "house"],
    ] {
        let seen = test.run(args);
        assert!(
            seen.stderr.contains("a text has the character `\\u{1b}`"),
            "{seen}"
        );
        assert!(
            !seen.stderr.contains('\u{1b}') && !seen.stdout.contains('\u{1b}'),
            "{seen}"
        );
    }
    let manifest = "name = \"house\"\ndescription = \"Ours\"\n";
    test.write("house/preset.toml", manifest);
    test.write("house/base/b.jinja", "\u{1b}]52;c;aGk=\u{7} {{ nobody }}\n");
    for args in [
        &["new", "shop", "--yes", "--preset", "house"][..],
        &["preset", "check", "house"],
    ] {
        let seen = test.run(args);
        assert!(seen.stderr.contains("\\u{1b}]52;"), "{seen}");
        assert!(!seen.stderr.contains('\u{1b}'), "{seen}");
    }
    test.write("house/base/b.jinja", "");
    test.run(&["preset", "test", "house", "--level", "render", "--accept"]);
    test.write("house/base/a", "\u{1b}[2J\n");
    let seen = test.run(&["preset", "test", "house", "--level", "render"]);
    assert!(
        seen.stderr.contains("\\u{1b}[2J") && !seen.stderr.contains('\u{1b}'),
        "{seen}"
    );
}

#[test]
fn what_the_strictest_disk_takes_for_one_path_is_refused() {
    for (path, reason) in [
        ("base/caf\u{e9}", "are the same"),
        ("base/.Scaffold/a", "holds the project's memory"),
        (
            "base/.g\u{200c}it/config",
            "has a character that nobody sees",
        ),
    ] {
        let test = Test::new();
        test.preset(&[("base/cafe\u{301}", ""), (path, "")]);
        let seen = test.run(&["new", "shop", "--yes", "--preset", "house"]);
        assert!(seen.stderr.contains(reason), "{seen}");
    }
}

/// Answers for a preset with one choice, that of a database.
fn sample(preset: &Preset) -> Answers {
    let files = Answer::One("files".to_owned());
    Answers::sample(preset, &Combination::default().with("database", files))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn no_manifest_makes_it_panic(text in "\\PC{0,80}|((name|description|default|prompt|help|choice|option|reserved|next|server|extends|kind|pattern|when| = |\"a\"|\"none\"|\\[\\[choice\\]\\]|\\[\\[choice.option\\]\\]|\\[|\\]|\\{|\\}|\n|1|\"\"\"|#){0,30})") {
        let _ = parse(files(&[("preset.toml", &text)]));
    }

    #[test]
    fn no_template_makes_it_panic_or_run_on(text in "\\PC{0,80}|((\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}|//%|\n| |for|in|if|else|elif|endif|endfor|set|endset|filter|endfilter|raw|endraw|recursive|loop|name|resource|resources|fragments|fit|range|x|=|==|\\+|-|~|\\*|\\*\\*|\\||\\(|\\)|\\[|\\]|,|\\.|:|\"|'|upper|join|sort|length|list|1|999999999|none|true|is|not|and|defined){0,40})") {
        let preset = parse(files(&[("preset.toml", MANIFEST), ("base/a.rs.jinja", &text), ("base/_list.jinja", &text)])).unwrap();
        let answers = sample(&preset);
        let started = Instant::now();
        if let Ok(tree) = render(&preset, &answers) {
            for (path, _) in tree.iter() {
                prop_assert_eq!(unsafe_path(path), None);
            }
        }
        prop_assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn no_path_leads_out_of_the_project(path in "\\PC{0,20}|((/|\\.|\\.\\.|a|\\{\\{resource\\}\\}|\\\\|:|con|nul|.git| |.jinja|_){0,8})") {
        let manifest = ("preset.toml", MANIFEST);
        let Ok(preset) = parse(files(&[manifest, (&format!("base/{path}"), "")])) else { return Ok(()) };
        let answers = sample(&preset);
        if let Ok(tree) = render(&preset, &answers) {
            for (path, _) in tree.iter() {
                prop_assert_eq!(unsafe_path(path), None);
                let is_inside = std::path::Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(is_inside);
            }
        }
    }

    #[test]
    fn no_manifest_that_was_right_once_makes_it_panic(changes in changes()) {
        let text = changed(&built_in("preset.toml"), &changes);
        if let Err(error) = parse(files(&[("preset.toml", &text)])) {
            // Whatever is wrong with it has a place.
            prop_assert!(format!("{error:#}").contains(" | "), "{error:#}\n{text}");
        }
    }

    #[test]
    fn no_template_that_was_right_once_makes_it_panic_or_run_on(pick: prop::sample::Index, changes in changes()) {
        let templates = templates();
        let (path, text) = pick.get(&templates);
        let text = changed(text, &changes);
        let mut preset = presets::load(presets::DEFAULT).unwrap();
        preset.replace(path, text.into()).unwrap();
        let options = preset.choices.iter().map(|choice| {
            let option = path.strip_prefix(&format!("{}/", choice.name)).and_then(|rest| rest.split('/').next());
            let option = option.map(|option| choice.of_names(&[option.to_owned()]));
            (choice.name.clone(), option.unwrap_or_else(|| choice.default.clone()))
        });
        let answers = Answers::sample(&preset, &options.collect());
        let started = Instant::now();
        if let Err(error) = render(&preset, &answers) {
            let said = format!("{error:#}");
            prop_assert!(!said.contains("makes the template engine panic"), "{said}");
        }
        prop_assert!(started.elapsed() < Duration::from_secs(10));
    }
}

/// What is done to a text: at some place some bytes go, and others come.
type Change = (prop::sample::Index, usize, String);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let comes = "\\PC{0,3}|//% (if|for|else|endif|endfor|set) ?|\\{\\{|\\}\\}|\\{%|%\\}|\\{#|\\||\"|'|\n|=|\\[\\[choice\\]\\]\n|1|\\[|\\]";
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, comes), 1..4)
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (place, goes, comes) in changes {
        let start = place.index(chars.len() + 1);
        let end = chars.len().min(start + goes);
        chars.splice(start..end, comes.chars());
    }
    chars.into_iter().collect()
}

/// A file of the built-in preset.
fn built_in(path: &str) -> String {
    let preset = presets::load(presets::DEFAULT).unwrap();
    preset.file(path).unwrap().to_owned()
}

/// All templates of the built-in preset, by their paths.
fn templates() -> Vec<(String, String)> {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let files = preset.own_files();
    let templates = files.filter(|(path, _)| path.ends_with(".jinja"));
    templates
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}
