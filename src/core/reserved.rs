//! The words that other systems keep for themselves: Rust, cargo, SQL and Windows.

/// Words that no crate, module or variable can have in any edition, reserved ones included.
#[rustfmt::skip]
const RUST_KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Crates that come with the compiler.
#[rustfmt::skip]
const RUST_CRATES: &[&str] = &["alloc", "core", "proc_macro", "std", "test"];

/// Names that cargo keeps for directories of its target directory.
#[rustfmt::skip]
const CARGO_DIRECTORIES: &[&str] = &["build", "deps", "examples", "incremental"];

/// Types, traits and derives in every Rust file's scope, and the primitive types, as a resource would be called.
#[rustfmt::skip]
const RUST_TYPES: &[&str] = &[
    "as_mut", "as_ref", "bool", "box", "char", "clone", "copy", "debug", "default", "deserialize", "display",
    "double_ended_iterator", "drop", "eq", "err", "error", "exact_size_iterator", "extend", "f32", "f64", "fn_mut",
    "fn_once", "from", "from_iterator", "future", "hash", "i128", "i16", "i32", "i64", "i8", "into", "into_future",
    "into_iterator", "isize", "iterator", "none", "ok", "option", "ord", "partial_eq", "partial_ord", "result", "send",
    "serialize", "sized", "some", "str", "string", "sync", "to_owned", "to_string", "try_from", "try_into", "u128",
    "u16", "u32", "u64", "u8", "unpin", "usize", "vec",
];

/// Words that a table can't be called without quotes: what SQLite, PostgreSQL and MySQL reserve, together.
#[rustfmt::skip]
const SQL_RESERVED: &[&str] = &[
    "accessible", "add", "all", "alter", "analyse", "analyze", "and", "any", "array", "as", "asc",
    "asensitive", "asymmetric", "authorization", "autoincrement", "before", "between", "bigint",
    "binary", "blob", "both", "by", "call", "cascade", "case", "cast", "change", "char",
    "character", "check", "collate", "collation", "column", "commit", "concurrently", "condition",
    "constraint", "continue", "convert", "create", "cross", "cube", "cume_dist", "current_catalog",
    "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
    "current_user", "cursor", "database", "databases", "day_hour", "day_microsecond", "day_minute",
    "day_second", "dec", "decimal", "declare", "default", "deferrable", "delayed", "delete",
    "dense_rank", "desc", "describe", "deterministic", "distinct", "distinctrow", "div", "do",
    "double", "drop", "dual", "each", "else", "elseif", "empty", "enclosed", "end", "escape",
    "escaped", "except", "exists", "exit", "explain", "false", "fetch", "first_value", "float",
    "float4", "float8", "for", "force", "foreign", "freeze", "from", "full", "fulltext", "function",
    "generated", "get", "grant", "group", "grouping", "groups", "having", "high_priority",
    "hour_microsecond", "hour_minute", "hour_second", "if", "ignore", "ilike", "in", "index",
    "infile", "initially", "inner", "inout", "insensitive", "insert", "int", "int1", "int2", "int3",
    "int4", "int8", "integer", "intersect", "interval", "into", "io_after_gtids", "io_before_gtids",
    "is", "isnull", "iterate", "join", "json_table", "key", "keys", "kill", "lag", "last_value",
    "lateral", "lead", "leading", "leave", "left", "library", "like", "limit", "linear", "lines",
    "load", "localtime", "localtimestamp", "lock", "long", "longblob", "longtext", "loop",
    "low_priority", "manual", "master_bind", "master_ssl_verify_server_cert", "match", "maxvalue",
    "mediumblob", "mediumint", "mediumtext", "middleint", "minute_microsecond", "minute_second",
    "mod", "modifies", "natural", "no_write_to_binlog", "not", "nothing", "notnull", "nth_value",
    "ntile", "null", "numeric", "of", "offset", "on", "only", "optimize", "optimizer_costs",
    "option", "optionally", "or", "order", "out", "outer", "outfile", "over", "overlaps",
    "parallel", "partition", "percent_rank", "placing", "precision", "primary", "procedure",
    "purge", "qualify", "raise", "range", "rank", "read", "read_write", "reads", "real",
    "recursive", "references", "regexp", "release", "rename", "repeat", "replace", "require",
    "resignal", "restrict", "return", "returning", "revoke", "right", "rlike", "row", "row_number",
    "rows", "schema", "schemas", "second_microsecond", "select", "sensitive", "separator",
    "session_user", "set", "show", "signal", "similar", "smallint", "some", "spatial", "specific",
    "sql", "sql_big_result", "sql_calc_found_rows", "sql_small_result", "sqlexception", "sqlstate",
    "sqlwarning", "ssl", "starting", "stored", "straight_join", "symmetric", "system",
    "system_user", "table", "tablesample", "terminated", "then", "tinyblob", "tinyint", "tinytext",
    "to", "trailing", "transaction", "trigger", "true", "undo", "union", "unique", "unlock",
    "unsigned", "update", "usage", "use", "user", "using", "utc_date", "utc_time", "utc_timestamp",
    "values", "varbinary", "varchar", "varcharacter", "variadic", "varying", "verbose", "virtual",
    "when", "where", "while", "window", "with", "write", "xor", "year_month", "zerofill",
];

/// Names that Windows gives to devices, whatever extension follows.
#[rustfmt::skip]
const WINDOWS_DEVICES: &[&str] = &[
    "aux", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "con", "conin$", "conout$",
    "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "nul", "prn",
];

/// Why a crate can't have this name in Rust, if it can't. `-` and `_` are one.
pub fn reserved_by_rust(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    if holds(RUST_KEYWORDS, &name) {
        Some("is a keyword of Rust")
    } else if holds(RUST_CRATES, &name) {
        Some("is one of Rust's own crates")
    } else {
        None
    }
}

/// Whether cargo keeps this name for itself.
pub fn is_cargo_directory(name: &str) -> bool {
    holds(CARGO_DIRECTORIES, name)
}

/// Whether a type of this name, written in snake case, would hide one that every Rust file uses.
pub fn is_rust_type(name: &str) -> bool {
    holds(RUST_TYPES, name)
}

/// Whether a table can't have this name without quotes in SQLite, PostgreSQL or MySQL.
pub fn is_reserved_by_sql(name: &str) -> bool {
    holds(SQL_RESERVED, name)
}

/// Whether Windows takes a file of this name for a device.
pub fn is_windows_device(file_name: &str) -> bool {
    let stem = file_name.split('.').next().unwrap_or(file_name).trim_end();
    // It takes these for digits.
    let stem = stem.replace('¹', "1").replace('²', "2").replace('³', "3");
    WINDOWS_DEVICES
        .iter()
        .any(|device| device.eq_ignore_ascii_case(&stem))
}

fn holds(words: &[&str], word: &str) -> bool {
    words.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_so_that_they_can_be_searched() {
        for words in [
            RUST_KEYWORDS,
            RUST_CRATES,
            CARGO_DIRECTORIES,
            RUST_TYPES,
            SQL_RESERVED,
            WINDOWS_DEVICES,
        ] {
            assert!(words.is_sorted(), "{words:?}");
        }
    }

    #[test]
    fn a_device_stays_one_with_an_extension_and_in_capitals() {
        for name in ["con", "NUL", "aux.rs", "Com1.tar.gz", "lpt9 .txt"] {
            assert!(is_windows_device(name), "{name}");
        }
        for name in ["console", "com", "com10", "null.rs"] {
            assert!(!is_windows_device(name), "{name}");
        }
    }
}
