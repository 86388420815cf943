#!/usr/bin/env bash
# What a request costs in the service that `scaffold new` makes, beside services that are written by hand. On a Debian
# machine with Rust; what else it needs, it installs and starts, as `.ci/run` does.
#
#   benches/service.sh --help
#   benches/service.sh --write         three quarters of an hour, on a machine that has nothing else to do
#   benches/service.sh --short
#   benches/service.sh counts          instructions and system calls, against their bounds, whatever else the machine does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source .ci/prepare

step 'tools' >&2
install cc gcc
install git git
install strace strace
install valgrind valgrind
install wrk wrk
install psql postgresql-client
install mariadb mariadb-client
install redis-cli redis-tools
install sqlite3 sqlite3
# What Gin is built from is no program. It is not counted.
[ "${1:-}" = counts ] || [ -d /usr/share/gocode/src/github.com/gin-gonic/gin ] ||
    install gin golang-go golang-github-gin-gonic-gin-dev golang-github-google-uuid-dev golang-github-jackc-pgx-v4-dev \
        golang-github-patrickmn-go-cache-dev golang-github-prometheus-client-golang-dev
servers >&2

cargo run --quiet --release --locked --manifest-path benches/service/Cargo.toml \
    --target-dir target/service-bench/suite -- "$@"
