#!/usr/bin/env bash
# What a cold `cargo build` of the default project costs beside that of the smallest service that one would write by hand
# with axum, sqlx (SQLite) and tracing, which is in `benches/baseline`: CPU time (user and system), and crates. At most
# 1.5 times the CPU time is the aim.
#
#   benches/build.sh [CHOICE=OPTION...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cargo build --release --quiet
scaffold=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/scaffold
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The baseline is built where it would be if somebody had just written it.
cp -r baseline "$work/baseline"
"$scaffold" new accounts-api --yes --no-git --into "$work/project" "${@/#/--}" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }

for what in baseline project; do
    cd "$work/$what"
    cargo fetch --quiet --locked
    cargo tree --locked --edges normal,build --prefix none --format '{p}' | awk 'NR > 1 { print $1, $2 }' | sort -u | wc -l >"../$what.crates"
    # `times` prints a second line, which counts all that this shell has waited for.
    CARGO_TARGET_DIR=$work/target bash -c 'cargo build --quiet --locked --offline && times' >"../$what.times"
    rm -rf "$work/target"
done

cd "$work"
awk 'FILENAME ~ /crates/ { crates[FILENAME] = $1 }
    FILENAME ~ /times/ && FNR == 2 { gsub(/[ms]/, " "); cpu[FILENAME] = 60 * $1 + $2 + 60 * $3 + $4 }
    END {
        printf "by hand   %4d crates  %6.1f s of CPU\n", crates["baseline.crates"], cpu["baseline.times"]
        printf "project   %4d crates  %6.1f s of CPU\n", crates["project.crates"], cpu["project.times"]
        printf "ratio                 %6.2f\n", cpu["project.times"] / cpu["baseline.times"]
    }' *.crates *.times
