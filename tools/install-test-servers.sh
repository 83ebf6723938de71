#!/usr/bin/env bash
# Installs the programs that the integration tests drive (Debian packages), those that are missing only.
#   tools/install-test-servers.sh           install, as root; exit 1 when a program is still missing
#   tools/install-test-servers.sh --check   only say what is missing
set -u

programs=(psql pgbench curl openssl redis-server wrk h2load haproxy nginx mariadbd mariadb sysbench postfix smtp-source swaks chromium faketime promtool)

package_of() {
  case "$1" in
    psql) echo postgresql-client ;;
    pgbench) echo postgresql ;;
    h2load) echo nghttp2-client ;;
    mariadbd) echo mariadb-server ;;
    mariadb) echo mariadb-client ;;
    smtp-source) echo postfix ;;
    promtool) echo prometheus ;;
    *) echo "$1" ;;
  esac
}

present() {
  case "$1" in
    # Debian's wrapper of these is on the PATH before the program it starts is.
    psql | pgbench) "$1" --version >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing() {
  for program in "${programs[@]}"; do
    present "$program" || echo "$program"
  done
}

# The packages would start their servers on the default ports; this file tells Debian not to.
forbid_services() {
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] && return
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
}

install_missing() {
  exec 9>"${TMPDIR:-/tmp}/install-test-servers.lock" && flock 9
  local packages=()
  for program in $(missing); do packages+=("$(package_of "$program")"); done
  [ "${#packages[@]}" -eq 0 ] && return
  forbid_services
  export DEBIAN_FRONTEND=noninteractive
  local wait=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
  apt-get update -qq "${wait[@]}" && apt-get install -y -qq --no-install-recommends "${wait[@]}" "${packages[@]}" >/dev/null
}

export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
if [ "${1:-}" != --check ] && [ -n "$(missing)" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo 'Only root can install packages.' >&2
  elif ! command -v apt-get >/dev/null 2>&1; then
    echo 'No apt-get here: install the programs by hand.' >&2
  else
    install_missing >&2
  fi
fi
left="$(missing)"
[ -z "$left" ] && exit 0
echo "missing: ${left//$'\n'/ }"
exit 1
