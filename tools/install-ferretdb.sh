#!/usr/bin/env bash
# Builds FerretDB 1, a server that speaks the MongoDB wire, with an embedded database. Needs Go, but no root.
#   tools/install-ferretdb.sh           build unless that was done; print where the program is
#   tools/install-ferretdb.sh --check   build nothing; exit 1 when it is missing
# Kept in the user's cache directory, by version, with a link to the latest in `bin`; built once however many ask at a time.
set -eu

version=v1.24.0
module=github.com/FerretDB/FerretDB
# Of the module's zip; the sums of what it needs are inside.
sum=h1:7WJmezL48Bj9bYWnhT/bEJgX5gjT5s7LFdHTqkN25rA=

cache="${XDG_CACHE_HOME:-$HOME/.cache}/proxy-test-servers"
home="$cache/ferretdb-$version"
link="$cache/bin/ferretdb"

# Where Go is when nobody has put it on the PATH.
export PATH="$PATH:/usr/local/go/bin"

present() {
  [ -x "$home/ferretdb" ] && [ "$link" -ef "$home/ferretdb" ]
}

if [ "${1:-}" = --check ]; then
  present && exit 0
  echo 'missing: ferretdb' >&2
  exit 1
fi

build() {
  local directory answer
  answer="$(cd "$work" && go mod download -json "$module@$version")" || { echo "$answer" >&2; return 1; }
  grep -qF "\"Sum\": \"$sum\"" <<<"$answer" || { echo "unexpected checksum: $answer" >&2; return 1; }
  directory="$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p' <<<"$answer")"
  cp -r "$directory" "$work/source" && chmod -R u+w "$work/source"
  # A release is built with this file, and the program does not start without it.
  echo "$version" >"$work/source/build/version/version.txt"
  (cd "$work/source" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags='-s -w' -o "$work/ferretdb" ./cmd/ferretdb)
  mkdir -p "$home" "$cache/bin" && mv "$work/ferretdb" "$home/ferretdb"
  ln -sfn "$home/ferretdb" "$link"
}

if ! present; then
  command -v go >/dev/null 2>&1 || { echo 'ferretdb is built with Go, which is missing here' >&2; exit 1; }
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  # Without it (macOS) two may build at a time, and the later one wins.
  if command -v flock >/dev/null 2>&1; then flock 9; fi
  if ! present; then
    echo "Building FerretDB $version (once; it takes up to three minutes)" >&2
    export GOFLAGS='' GOWORK=off GOTOOLCHAIN=local
    work="$(mktemp -d "$cache/build.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    build
  fi
fi
echo "$link"
