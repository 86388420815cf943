#!/usr/bin/env bash
# What `scaffold new` costs beside copying the finished project with `cp -r`: the CPU time (user and system) of equally
# many runs of each, taking turns, and the peak memory. At most 1.5 times the CPU time and 20 MiB is the aim.
#
#   benches/new.sh [RUNS]          needs bash, xargs, awk and GNU time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-500}
cargo build --release --quiet
scaffold=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/scaffold
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

new=("$scaffold" new accounts-api --yes --no-git --into)
command time -o memory -f %M "${new[@]}" finished >said 2>&1 || { cat said >&2; exit 1; }

# A command for each of some directories. xargs is small, so starting a process from it costs what it must and no more;
# a shell's own fork would cost as much as the copy and hide the difference.
each() { printf 'project-%s\n' {1..25} | xargs -I{} "$@" >said 2>&1 || { cat said >&2; exit 1; }; }

# The milliseconds of CPU between two outputs of `times`, whose second line counts all that ended in between.
between() { awk 'FNR == 2 { gsub(/[ms]/, " "); t[FILENAME] = 60 * $1 + $2 + 60 * $3 + $4 } END { print 1000 * (t["after"] - t["before"]) }' before after; }

new_ms=0 copy_ms=0
for ((done = 0; done < runs; done += 25)); do
    times >before
    each "${new[@]}" '{}'
    times >after
    new_ms=$(between | awk -v sum="$new_ms" '{ print sum + $1 }')
    rm -rf project-*

    times >before
    each cp -r finished '{}'
    times >after
    copy_ms=$(between | awk -v sum="$copy_ms" '{ print sum + $1 }')
    rm -rf project-*
done

awk -v runs="$done" -v new="$new_ms" -v copy="$copy_ms" -v memory="$(<memory)" -v files="$(find finished -type f | wc -l)" 'BEGIN {
    printf "%d runs of each, %d files\n", runs, files
    printf "scaffold new   %6.2f ms of CPU\n", new / runs
    printf "cp -r          %6.2f ms of CPU\n", copy / runs
    printf "ratio          %6.2f\n", new / copy
    printf "peak memory    %6.1f MiB\n", memory / 1024
}'
