//! The names of projects and of resources, parsed once: a value of these types is fit for use.
//!
//! Every refusal comes with a name that would be accepted.

use heck::{ToKebabCase, ToUpperCamelCase};

use crate::core::problem::Problem;
use crate::core::secrets::{holds_secrets, shown};
use crate::core::{plural, reserved};

/// As long as a name or a label of Kubernetes and a part of a name in DNS may be.
const MAX_LABEL: usize = 63;
/// As long as a project's name may be: what belongs to the project is called after it, the longest its `-database`.
const MAX_PROJECT: usize = MAX_LABEL - "-database".len();
/// As long as the name of anything may be in PostgreSQL; in MySQL it may have one more.
const MAX_IDENTIFIER: usize = 63;
/// As long as a resource's name may be: its table is called after it, and what belongs to the table after that, such as the
/// index `_created_at_idx`. The generated code keeps its formatting up to here.
const MAX_RESOURCE: usize = MAX_IDENTIFIER - "_created_at_idx".len();
/// As short as one of a resource may be called: with less, nothing could be searched for.
const MIN_RESOURCE: usize = 2;

/// What a project's name says beside the name of what it serves.
const SUFFIXES: &[&str] = &["api", "service", "svc", "server"];

/// The name of every project that is made only to be resolved, measured or verified.
pub const SAMPLE: &str = "things-api";

/// Names that a preset needs for itself.
#[derive(Debug, Default, Clone, Copy)]
pub struct Taken<'a> {
    /// The packages that its projects depend on.
    pub packages: &'a [&'a str],
    /// Names of its own modules, routes, types and columns.
    pub words: &'a [String],
}

impl Taken<'_> {
    /// Cargo takes `-` and `_` in a name for the same.
    fn is_package(&self, name: &str) -> bool {
        let name = name.replace('-', "_");
        self.packages
            .iter()
            .any(|package| package.replace('-', "_") == name)
    }

    fn is_word(&self, name: &str) -> bool {
        let name = name.replace('-', "_");
        self.words.iter().any(|word| word.replace('-', "_") == name)
    }
}

/// A project's name: a crate name that cargo, Rust, Windows and the preset can live with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName(String);

impl ProjectName {
    /// Accepts a name, or refuses it with the reason and a proposal.
    pub fn parse(text: &str, taken: Taken) -> Result<ProjectName, Problem> {
        let Some(reason) = why_no_project(text, taken) else {
            return Ok(ProjectName(text.to_owned()));
        };
        let stem = stem(text, MAX_PROJECT - "-service".len());
        let proposal = [stem.clone(), format!("{stem}-service")]
            .into_iter()
            .find(|name| why_no_project(name, taken).is_none())
            .unwrap_or_else(|| "my-service".to_owned());
        let help = match text.contains(['/', '\\']) {
            true => format!("try `{proposal}`, and say where it goes with `--into DIR`"),
            false => format!("try `{proposal}`"),
        };
        Err(Problem::refusal(format!(
            "a project can't be called `{}`: {reason}",
            named(text)
        ))
        .help(help))
    }

    /// The name of a project that nobody keeps.
    pub fn sample() -> ProjectName {
        ProjectName(SAMPLE.to_owned())
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as Rust code says it.
    pub fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// What a service of this name would serve: `accounts` for `accounts-api`.
    pub fn resource(&self) -> String {
        let stem = SUFFIXES
            .iter()
            .find_map(|suffix| self.0.strip_suffix(suffix)?.strip_suffix(['-', '_']));
        plural::plural(&stem.unwrap_or(&self.0).replace('-', "_"))
    }
}

/// A resource's name in the forms that a service needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceName {
    plural: String,
    singular: String,
}

impl ResourceName {
    /// Accepts a noun for one or for many, or refuses it with the reason and a proposal.
    pub fn parse(text: &str, taken: Taken) -> Result<ResourceName, Problem> {
        let Some(reason) = why_no_resource(text, taken) else {
            return Ok(ResourceName::forms(text));
        };
        let stem = stem(text, MAX_RESOURCE - "-records".len());
        let one = plural::singular(&stem.replace('-', "_")).replace('_', "-");
        let many = plural::plural(&one.replace('-', "_")).replace('_', "-");
        let proposal = [many, format!("{one}-items"), format!("{one}-records")]
            .into_iter()
            .find(|name| why_no_resource(name, taken).is_none())
            .unwrap_or_else(|| "records".to_owned());
        let what = format!("a resource can't be called `{}`: {reason}", named(text));
        Err(Problem::refusal(what).help(format!("try `{proposal}`")))
    }

    /// What a project serves that nobody keeps.
    pub fn sample() -> ResourceName {
        ResourceName::forms("things")
    }

    fn forms(text: &str) -> ResourceName {
        let word = text.replace('-', "_");
        ResourceName {
            plural: plural::plural(&word),
            singular: plural::singular(&word),
        }
    }

    /// The name of its table and its module: `payment_methods`.
    pub fn plural(&self) -> &str {
        &self.plural
    }

    /// The name of one of them in code: `payment_method`.
    pub fn singular(&self) -> &str {
        &self.singular
    }

    /// The plural as a type: `PaymentMethods`.
    pub fn plural_type(&self) -> String {
        self.plural.to_upper_camel_case()
    }

    /// The singular as a type: `PaymentMethod`.
    pub fn singular_type(&self) -> String {
        self.singular.to_upper_camel_case()
    }

    /// The name as a part of a URL: `payment-methods`.
    pub fn path(&self) -> String {
        self.plural.replace('_', "-")
    }
}

fn why_no_project(name: &str, taken: Taken) -> Option<String> {
    why_no_word(name).or_else(|| {
        if name.len() > MAX_PROJECT {
            Some(format!(
                "it has more than {MAX_PROJECT} characters, and with `-database` after it more than the {MAX_LABEL} of a \
                 name in Kubernetes"
            ))
        } else if let Some(reason) = reserved::reserved_by_rust(name) {
            Some(format!("it {reason}"))
        } else if reserved::is_cargo_directory(name) {
            Some("cargo keeps a directory of that name beside the program".to_owned())
        } else if reserved::is_windows_device(name) {
            Some("it is the name of a device on Windows".to_owned())
        } else if taken.is_package(name) {
            Some("it is the name of a crate that the project depends on".to_owned())
        } else if taken.is_word(name) {
            Some("the project has a module or a target of that name".to_owned())
        } else {
            None
        }
    })
}

fn why_no_resource(name: &str, taken: Taken) -> Option<String> {
    if let Some(reason) = why_no_word(name) {
        return Some(reason);
    }
    let forms = ResourceName::forms(name);
    let (one, many) = (forms.singular(), forms.plural());
    if one.len() < MIN_RESOURCE {
        return Some(format!("it has less than {MIN_RESOURCE} characters"));
    }
    if many.len() > MAX_RESOURCE {
        return Some(format!("it has more than {MAX_RESOURCE} characters"));
    }
    let word = name.replace('-', "_");
    let forms = [word.as_str(), one, many];
    for form in forms {
        if let Some(reason) = reserved::reserved_by_rust(form) {
            return Some(format!("`{form}` {reason}"));
        }
        if reserved::is_rust_type(form) {
            return Some(format!(
                "`{}` is a name that all Rust code uses",
                form.to_upper_camel_case()
            ));
        }
        if reserved::is_windows_device(form) {
            return Some(format!("`{form}` is the name of a device on Windows"));
        }
        if taken.is_word(form) {
            return Some(format!("the service uses the name `{form}` itself"));
        }
    }
    // The table has the plural's name. The word that was typed is what its author will type in SQL.
    if let Some(form) = [word.as_str(), many]
        .into_iter()
        .find(|form| reserved::is_reserved_by_sql(form))
    {
        return Some(format!("`{form}` is reserved in SQL"));
    }
    // The module has the plural's name, too.
    taken
        .is_package(many)
        .then(|| format!("`{many}` is the name of a crate that the project depends on"))
}

/// What holds for every name: it ends up in paths, URLs, Rust and SQL.
fn why_no_word(name: &str) -> Option<String> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.contains(['/', '\\']) {
        "it is a path"
    } else if !name.is_ascii() {
        "it has a character that is not ASCII"
    } else if name.contains(|c: char| c.is_ascii_uppercase()) {
        "it has an upper-case letter"
    } else if let Some(other) = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
    {
        return Some(format!(
            "`{}` is no letter, digit, `-` or `_`",
            other.escape_default()
        ));
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "it does not start with a letter"
    } else if name.ends_with(['-', '_']) {
        "it ends with `-` or `_`"
    } else if ["--", "__", "-_", "_-"]
        .iter()
        .any(|pair| name.contains(pair))
    {
        "it has `-` or `_` twice in a row"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

/// A refused name as it is told: an address may stand in its place.
fn named(text: &str) -> String {
    match holds_secrets(text) {
        true => shown(text),
        false => text.to_owned(),
    }
}

/// What is left of a name when all that no name may have is taken away.
fn stem(text: &str, max: usize) -> String {
    // What is hidden of a name is not proposed, either.
    let text = if holds_secrets(text) { "" } else { text };
    let file_name = text
        .trim_end_matches(['/', '\\'])
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    let ascii: String = file_name
        .chars()
        .filter_map(without_accent)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let kebab = ascii.to_kebab_case();
    let kebab = kebab.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let cut = &kebab[..kebab.len().min(max)];
    cut.trim_end_matches('-').to_owned()
}

/// The letter that an accented one of the Latin alphabet was; of other writing nothing is left.
fn without_accent(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return Some(letter);
    }
    match letter.to_lowercase().next()? {
        'à'..='å' => Some('a'),
        'ç' => Some('c'),
        'è'..='ë' => Some('e'),
        'ì'..='ï' => Some('i'),
        'ñ' => Some('n'),
        'ò'..='ö' | 'ø' => Some('o'),
        'ù'..='ü' => Some('u'),
        'ý' | 'ÿ' => Some('y'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKAGES: &[&str] = &["serde", "proc-macro2", "tokio_util", "news"];

    fn taken(words: &[String]) -> Taken<'_> {
        Taken {
            packages: PACKAGES,
            words,
        }
    }

    fn project(text: &str) -> String {
        match ProjectName::parse(text, taken(&["lobby".to_owned()])) {
            Ok(_) => "fine".to_owned(),
            Err(refusal) => refusal.told(),
        }
    }

    fn resource(text: &str) -> String {
        match ResourceName::parse(text, taken(&["health".to_owned(), "rooms".to_owned()])) {
            Ok(_) => "fine".to_owned(),
            Err(refusal) => refusal.told(),
        }
    }

    /// Each name with what it gets told, a paragraph each.
    fn told(names: &[&str], tell: fn(&str) -> String) -> String {
        names.iter().map(|name| tell(name) + "\n\n").collect()
    }

    #[test]
    fn a_plain_name_is_a_project() {
        for name in [
            "accounts-api",
            "shop",
            "a",
            "x9",
            "payment_methods",
            "a1-b2_c3",
            &"a".repeat(54),
        ] {
            assert_eq!(project(name), "fine", "{name}");
        }
    }

    #[test]
    fn a_name_that_is_no_crate_is_refused() {
        let names = [
            "",
            "9lives",
            "-api",
            "_",
            "a--b",
            "a_-b",
            "api-",
            "Accounts",
            "café",
            "my shop",
            "a.b",
            "services/accounts",
            ".",
            "../up",
            "C:\\shop",
            "🦀",
        ];
        insta::assert_snapshot!(told(&names, project), @r"
        a project can't be called ``: it is empty
        help: try `my-service`

        a project can't be called `9lives`: it does not start with a letter
        help: try `lives`

        a project can't be called `-api`: it does not start with a letter
        help: try `api`

        a project can't be called `_`: it does not start with a letter
        help: try `my-service`

        a project can't be called `a--b`: it has `-` or `_` twice in a row
        help: try `a-b`

        a project can't be called `a_-b`: it has `-` or `_` twice in a row
        help: try `a-b`

        a project can't be called `api-`: it ends with `-` or `_`
        help: try `api`

        a project can't be called `Accounts`: it has an upper-case letter
        help: try `accounts`

        a project can't be called `café`: it has a character that is not ASCII
        help: try `cafe`

        a project can't be called `my shop`: ` ` is no letter, digit, `-` or `_`
        help: try `my-shop`

        a project can't be called `a.b`: `.` is no letter, digit, `-` or `_`
        help: try `a-b`

        a project can't be called `services/accounts`: it is a path
        help: try `accounts`, and say where it goes with `--into DIR`

        a project can't be called `.`: `.` is no letter, digit, `-` or `_`
        help: try `my-service`

        a project can't be called `../up`: it is a path
        help: try `up`, and say where it goes with `--into DIR`

        a project can't be called `C:\shop`: it is a path
        help: try `shop`, and say where it goes with `--into DIR`

        a project can't be called `🦀`: it has a character that is not ASCII
        help: try `my-service`
        ");
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        insta::assert_snapshot!(project(&"a".repeat(55)), @"
        a project can't be called `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`: it has more than 54 characters, and with `-database` after it more than the 63 of a name in Kubernetes
        help: try `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`
        ");
    }

    #[test]
    fn a_name_that_somebody_else_needs_is_refused() {
        let names = [
            "gen",
            "try",
            "async",
            "self",
            "test",
            "core",
            "std",
            "alloc",
            "proc-macro",
            "build",
            "deps",
            "con",
            "nul",
            "com1",
            "serde",
            "proc_macro2",
            "tokio-util",
            "lobby",
        ];
        insta::assert_snapshot!(told(&names, project), @"
        a project can't be called `gen`: it is a keyword of Rust
        help: try `gen-service`

        a project can't be called `try`: it is a keyword of Rust
        help: try `try-service`

        a project can't be called `async`: it is a keyword of Rust
        help: try `async-service`

        a project can't be called `self`: it is a keyword of Rust
        help: try `self-service`

        a project can't be called `test`: it is one of Rust's own crates
        help: try `test-service`

        a project can't be called `core`: it is one of Rust's own crates
        help: try `core-service`

        a project can't be called `std`: it is one of Rust's own crates
        help: try `std-service`

        a project can't be called `alloc`: it is one of Rust's own crates
        help: try `alloc-service`

        a project can't be called `proc-macro`: it is one of Rust's own crates
        help: try `proc-macro-service`

        a project can't be called `build`: cargo keeps a directory of that name beside the program
        help: try `build-service`

        a project can't be called `deps`: cargo keeps a directory of that name beside the program
        help: try `deps-service`

        a project can't be called `con`: it is the name of a device on Windows
        help: try `con-service`

        a project can't be called `nul`: it is the name of a device on Windows
        help: try `nul-service`

        a project can't be called `com1`: it is the name of a device on Windows
        help: try `com1-service`

        a project can't be called `serde`: it is the name of a crate that the project depends on
        help: try `serde-service`

        a project can't be called `proc_macro2`: it is the name of a crate that the project depends on
        help: try `proc-macro2-service`

        a project can't be called `tokio-util`: it is the name of a crate that the project depends on
        help: try `tokio-util-service`

        a project can't be called `lobby`: the project has a module or a target of that name
        help: try `lobby-service`
        ");
    }

    #[test]
    fn a_noun_is_a_resource_in_four_forms() {
        for (noun, forms) in [
            ("orders", "orders order Order orders"),
            ("order-line", "order_lines order_line OrderLine order-lines"),
            (
                "payment_methods",
                "payment_methods payment_method PaymentMethod payment-methods",
            ),
            ("person", "people person Person people"),
            ("news", "news news News news"),
        ] {
            let taken = Taken {
                packages: &[],
                words: &[],
            };
            let name = ResourceName::parse(noun, taken).unwrap();
            let found = [
                name.plural(),
                name.singular(),
                &name.singular_type(),
                &name.path(),
            ]
            .join(" ");
            assert_eq!(found, forms);
        }
    }

    #[test]
    fn a_resource_that_rust_or_sql_or_the_service_needs_is_refused() {
        let names = [
            "type", "types", "self", "results", "option", "string", "boxes", "select", "order",
            "group", "values", "keys", "news", "health", "room", "nul", "x",
        ];
        insta::assert_snapshot!(told(&names, resource), @"
        a resource can't be called `type`: `type` is a keyword of Rust
        help: try `type-items`

        a resource can't be called `types`: `type` is a keyword of Rust
        help: try `type-items`

        a resource can't be called `self`: `self` is a keyword of Rust
        help: try `self-items`

        a resource can't be called `results`: `Result` is a name that all Rust code uses
        help: try `result-items`

        a resource can't be called `option`: `Option` is a name that all Rust code uses
        help: try `option-items`

        a resource can't be called `string`: `String` is a name that all Rust code uses
        help: try `string-items`

        a resource can't be called `boxes`: `box` is a keyword of Rust
        help: try `box-items`

        a resource can't be called `select`: `select` is reserved in SQL
        help: try `selects`

        a resource can't be called `order`: `order` is reserved in SQL
        help: try `orders`

        a resource can't be called `group`: `group` is reserved in SQL
        help: try `group-items`

        a resource can't be called `values`: `values` is reserved in SQL
        help: try `value-items`

        a resource can't be called `keys`: `keys` is reserved in SQL
        help: try `key-items`

        a resource can't be called `news`: `news` is the name of a crate that the project depends on
        help: try `news-items`

        a resource can't be called `health`: the service uses the name `health` itself
        help: try `health-items`

        a resource can't be called `room`: the service uses the name `rooms` itself
        help: try `room-items`

        a resource can't be called `nul`: `nul` is the name of a device on Windows
        help: try `nul-items`

        a resource can't be called `x`: it has less than 2 characters
        help: try `x-items`
        ");
    }

    #[test]
    fn a_resource_that_is_no_word_is_refused() {
        let names = [
            "",
            "Orders",
            "2fa",
            "ünits",
            "a/b",
            "order--lines",
            "orders-",
        ];
        insta::assert_snapshot!(told(&names, resource), @"
        a resource can't be called ``: it is empty
        help: try `records`

        a resource can't be called `Orders`: it has an upper-case letter
        help: try `orders`

        a resource can't be called `2fa`: it does not start with a letter
        help: try `fas`

        a resource can't be called `ünits`: it has a character that is not ASCII
        help: try `units`

        a resource can't be called `a/b`: it is a path
        help: try `bs`

        a resource can't be called `order--lines`: it has `-` or `_` twice in a row
        help: try `order-lines`

        a resource can't be called `orders-`: it ends with `-` or `_`
        help: try `orders`
        ");
        insta::assert_snapshot!(resource(&"long".repeat(13)), @"
        a resource can't be called `longlonglonglonglonglonglonglonglonglonglonglonglong`: it has more than 48 characters
        help: try `longlonglonglonglonglonglonglonglonglongs`
        ");
    }

    #[test]
    fn a_project_serves_what_it_is_called_after() {
        for (name, resource) in [
            ("accounts-api", "accounts"),
            ("order-service", "orders"),
            ("company-svc", "companies"),
            ("people_server", "people"),
            ("news", "news"),
            ("payment-methods-api", "payment_methods"),
            ("api", "apis"),
            ("service-api", "services"),
        ] {
            let name = ProjectName::parse(
                name,
                Taken {
                    packages: &[],
                    words: &[],
                },
            )
            .unwrap();
            assert_eq!(name.resource(), resource);
        }
    }

    /// The name that a refusal proposes.
    fn proposal(refusal: &Problem) -> String {
        let text = refusal.told();
        text.rsplit_once("try `")
            .unwrap()
            .1
            .split('`')
            .next()
            .unwrap()
            .to_owned()
    }

    proptest! {
        #[test]
        fn a_proposed_name_is_accepted(text in "\\PC{0,80}") {
            let words = ["my".to_owned(), "items".to_owned()];
            if let Err(refusal) = ProjectName::parse(&text, taken(&words)) {
                prop_assert!(ProjectName::parse(&proposal(&refusal), taken(&words)).is_ok(), "{refusal}");
            }
            if let Err(refusal) = ResourceName::parse(&text, taken(&words)) {
                prop_assert!(ResourceName::parse(&proposal(&refusal), taken(&words)).is_ok(), "{refusal}");
            }
        }

        #[test]
        fn a_name_of_this_shape_is_accepted_or_gets_another(text in "[a-z][a-z0-9]{0,30}(-[a-z0-9]{1,20}){0,2}") {
            if let Err(refusal) = ResourceName::parse(&text, Taken::default()) {
                prop_assert!(ResourceName::parse(&proposal(&refusal), Taken::default()).is_ok(), "{refusal}");
            }
        }
    }
}
