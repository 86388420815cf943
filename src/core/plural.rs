//! How English makes a plural, and a singular of one.
//!
//! Plurals come from a few rules and short tables. The crates that do this compile some hundred regular expressions at
//! every start, and get no more of the words right that services are called after.

/// Nouns whose plural no rule gives.
#[rustfmt::skip]
const IRREGULAR: &[Noun] = &[
    ("analysis", "analyses"), ("axis", "axes"), ("calf", "calves"), ("cpu", "cpus"),
    ("criterion", "criteria"), ("echo", "echoes"), ("elf", "elves"), ("foot", "feet"), ("goose", "geese"),
    ("gpu", "gpus"), ("half", "halves"), ("hero", "heroes"), ("index", "indices"), ("knife", "knives"),
    ("leaf", "leaves"), ("life", "lives"), ("loaf", "loaves"), ("man", "men"), ("matrix", "matrices"),
    ("menu", "menus"), ("mouse", "mice"), ("phenomenon", "phenomena"), ("potato", "potatoes"),
    ("quiz", "quizzes"), ("shelf", "shelves"), ("thief", "thieves"), ("tomato", "tomatoes"), ("tooth", "teeth"),
    ("vertex", "vertices"), ("veto", "vetoes"), ("wife", "wives"), ("wolf", "wolves"), ("woman", "women"),
];

/// Nouns whose compounds follow them: a grandchild, a salesperson.
#[rustfmt::skip]
const COMPOUNDING: &[Noun] = &[("child", "children"), ("person", "people")];

/// Nouns that are the same for one and for many.
#[rustfmt::skip]
const UNCOUNTABLE: &[&str] = &[
    "advice", "aircraft", "analytics", "audio", "bison", "data", "deer", "electronics", "equipment", "evidence",
    "feedback", "fish", "furniture", "hardware", "headquarters", "information", "knowledge", "logistics", "luggage",
    "media", "metadata", "money", "moose", "music", "news", "progress", "research", "salmon", "series", "sheep",
    "software", "species", "staff", "traffic", "weather",
];

/// Nouns that end like a plural and are none.
#[rustfmt::skip]
const SINGULAR_IN_S: &[&str] = &["alias", "atlas", "bias", "canvas", "gas", "iris", "lens", "pancreas"];

/// Nouns in `-che`, `-oe` and `-ie`, whose plural looks like one of `-ch`, `-o` and `-y`.
#[rustfmt::skip]
const ENDS_IN_E: &[&str] = &[
    "ache", "avalanche", "brownie", "cache", "calorie", "canoe", "cliche", "cookie", "foe", "genie", "headache",
    "hoodie", "movie", "niche", "oboe", "prairie", "quiche", "rookie", "selfie", "shoe", "toe", "zombie",
];

/// Nouns in a hard `-ch`, which take `-s`.
#[rustfmt::skip]
const HARD_CH: &[&str] = &["epoch", "monarch", "stomach", "tech"];

/// The plural of a noun in snake case; a plural stays what it is.
pub fn plural(words: &str) -> String {
    in_last_word(words, |word| {
        if is_plural(word) {
            return word.to_owned();
        }
        if let Some((_, plural)) = IRREGULAR.iter().find(|(singular, _)| *singular == word) {
            return (*plural).to_owned();
        }
        if let Some((stem, (_, plural))) = compound(word, |noun| noun.0) {
            return format!("{stem}{plural}");
        }
        if let Some(stem) = word.strip_suffix("sis") {
            return format!("{stem}ses");
        }
        if let Some(stem) = word.strip_suffix('y')
            && !stem.is_empty()
            && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
        {
            return format!("{stem}ies");
        }
        let hisses =
            word.ends_with(['s', 'x', 'z']) || word.ends_with("sh") || word.ends_with("ch");
        match hisses && !HARD_CH.contains(&word) {
            true => format!("{word}es"),
            false => format!("{word}s"),
        }
    })
}

/// The singular of a noun in snake case; a singular stays what it is.
pub fn singular(words: &str) -> String {
    in_last_word(words, |word| {
        if !is_plural(word) || UNCOUNTABLE.contains(&word) {
            return word.to_owned();
        }
        if let Some((singular, _)) = IRREGULAR.iter().find(|(_, plural)| *plural == word) {
            return (*singular).to_owned();
        }
        if let Some((stem, (singular, _))) = compound(word, |noun| noun.1) {
            return format!("{stem}{singular}");
        }
        let without_s = &word[..word.len() - 1];
        let Some(without_es) = word.strip_suffix("es") else {
            return without_s.to_owned();
        };
        if ENDS_IN_E.contains(&without_s) {
            return without_s.to_owned();
        }
        if let Some(stem) = word.strip_suffix("ies") {
            // `ties`, `pies`: too short to have lost a `y`.
            return if stem.len() > 1 {
                format!("{stem}y")
            } else {
                without_s.to_owned()
            };
        }
        if ends_in_any(
            word,
            &[
                "theses",
                "synopses",
                "crises",
                "bases",
                "oases",
                "diagnoses",
                "emphases",
            ],
        ) && !word.ends_with("databases")
        {
            return format!("{without_es}is");
        }
        let keeps_e = !(SINGULAR_IN_S.contains(&without_es)
            || ends_in_any(word, &["sses", "xes", "zzes", "tzes", "ches", "shes"])
            || (word.ends_with("uses")
                && word.len() > 4
                && !ends_in_any(word, &["auses", "ouses", "fuses", "cuses"])));
        if keeps_e {
            without_s.to_owned()
        } else {
            without_es.to_owned()
        }
    })
}

/// A noun for one and for many.
type Noun = (&'static str, &'static str);

/// A word as what stands before one of the compounding nouns, and that noun.
fn compound(word: &str, form: impl Fn(&Noun) -> &'static str) -> Option<(&str, &'static Noun)> {
    let nouns = COMPOUNDING.iter();
    nouns
        .filter_map(|noun| Some((word.strip_suffix(form(noun))?, noun)))
        .next()
}

fn is_plural(word: &str) -> bool {
    UNCOUNTABLE.contains(&word)
        || compound(word, |noun| noun.1).is_some()
        || IRREGULAR.iter().any(|(_, plural)| *plural == word)
        || word.ends_with('s')
            && !ends_in_any(word, &["ss", "us", "sis"])
            && !SINGULAR_IN_S.contains(&word)
            && word.len() > 2
            && IRREGULAR.iter().all(|(singular, _)| *singular != word)
}

fn ends_in_any(word: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| word.ends_with(ending))
}

fn in_last_word(words: &str, change: impl FnOnce(&str) -> String) -> String {
    match words.rsplit_once('_') {
        Some((before, last)) => format!("{before}_{}", change(last)),
        None => change(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nouns that services are called after, for one and for many.
    const NOUNS: &[(&str, &str)] = &[
        ("account", "accounts"),
        ("address", "addresses"),
        ("alias", "aliases"),
        ("analysis", "analyses"),
        ("api", "apis"),
        ("batch", "batches"),
        ("bonus", "bonuses"),
        ("box", "boxes"),
        ("branch", "branches"),
        ("bus", "buses"),
        ("cache", "caches"),
        ("case", "cases"),
        ("category", "categories"),
        ("child", "children"),
        ("class", "classes"),
        ("company", "companies"),
        ("cookie", "cookies"),
        ("course", "courses"),
        ("crisis", "crises"),
        ("data", "data"),
        ("database", "databases"),
        ("day", "days"),
        ("dish", "dishes"),
        ("house", "houses"),
        ("human", "humans"),
        ("invoice", "invoices"),
        ("key", "keys"),
        ("leaf", "leaves"),
        ("license", "licenses"),
        ("match", "matches"),
        ("menu", "menus"),
        ("movie", "movies"),
        ("news", "news"),
        ("order", "orders"),
        ("payment_method", "payment_methods"),
        ("person", "people"),
        ("photo", "photos"),
        ("policy", "policies"),
        ("process", "processes"),
        ("purchase", "purchases"),
        ("quiz", "quizzes"),
        ("release", "releases"),
        ("response", "responses"),
        ("schema", "schemas"),
        ("series", "series"),
        ("shoe", "shoes"),
        ("size", "sizes"),
        ("status", "statuses"),
        ("tax", "taxes"),
        ("taxi", "taxis"),
        ("tech", "techs"),
        ("thesis", "theses"),
        ("tie", "ties"),
        ("use", "uses"),
        ("user", "users"),
        ("video", "videos"),
        ("virus", "viruses"),
        ("warehouse", "warehouses"),
        ("wave", "waves"),
        ("grandchild", "grandchildren"),
        ("salesperson", "salespeople"),
        ("gas_bus", "gas_buses"),
    ];

    #[test]
    fn a_noun_has_a_plural_and_a_singular_and_both_stay_what_they_are() {
        for (one, many) in NOUNS {
            assert_eq!(plural(one), *many);
            assert_eq!(plural(many), *many);
            assert_eq!(singular(many), *one);
            assert_eq!(singular(one), *one);
        }
    }
}
