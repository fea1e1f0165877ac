#!/bin/bash
# Prepare this machine and this folder: Debian packages, virtual environment, TimescaleDB, page.
#
#   dev/setup.sh [--tests]      --tests also installs what only the tests need
#
# Every step is skipped when it is done already. Mirrors and proxies are taken from the machine's own
# configuration of apt, pip and npm. Set BLOCKTWIN_DATABASE__DSN or BLOCKTWIN_MQTT__HOST to bring your
# own server; the private one is then not installed (the tests always use private ones).
# MACHINE_ROOT is where to look for what is installed, for the test of this script.
# Exit code 2: something is missing that cannot be installed here; the message says what.
set -euo pipefail

cd "$(dirname "$0")/.."
for_tests=no
case "${1-}" in
  '') ;;
  --tests) for_tests=yes ;;
  *) echo "usage: dev/setup.sh [--tests]" >&2; exit 2 ;;
esac

mkdir -p .blocktwin
log=$PWD/.blocktwin/setup.log
exec 8>.blocktwin/setup.lock
flock 8 # two set-ups at once would write into the same folders
: >"$log"

# ---- words of progress -------------------------------------------------------------------------

now() { date +%s%N; }

# step TITLE COMMAND…: one line with its time; what the command says goes to the log.
step() {
  local title=$1 begin took
  shift
  begin=$(now)
  printf '%-46s' "$title"
  printf '\n=== %s\n' "$title" >>"$log"
  if ! "$@" >>"$log" 2>&1 8>&-; then
    printf ' failed\n'
    tail -n 15 "$log" >&2
    printf 'error: %s failed; all of it stands in %s\n' "$title" "$log" >&2
    exit 1
  fi
  took=$((($(now) - begin) / 100000000))
  printf ' %d.%d s\n' $((took / 10)) $((took % 10))
}

already() { printf '%-46s already there\n' "$1"; }

# give_up WHAT…: what is missing here, and the two ways on.
give_up() {
  printf 'error: this machine lacks: %s\n' "$*" >&2
  printf '%s\n' "$why_not" >&2
  cat >&2 <<'END'
  Two ways on without it:
    containers         docker compose up   (see docs/operations.md)
    your own servers   set BLOCKTWIN_DATABASE__DSN to a PostgreSQL with TimescaleDB, and
                       BLOCKTWIN_MQTT__HOST, BLOCKTWIN_MQTT__PORT, BLOCKTWIN_MQTT__USERNAME,
                       BLOCKTWIN_MQTT__PASSWORD to an MQTT 5 broker; then only Python is needed
END
  exit 2
}

# ---- what is wanted ----------------------------------------------------------------------------

root=${MACHINE_ROOT-}
debian=$(. "$root/etc/os-release" 2>/dev/null && [ "${ID-}" = debian ] && echo "${VERSION_ID-}" || true)
own_database=${BLOCKTWIN_DATABASE__DSN:+yes}
own_broker=${BLOCKTWIN_MQTT__HOST:+yes}
if [ $for_tests = yes ]; then own_database='' own_broker=''; fi

# A Python that is new enough and can make virtual environments.
find_python() {
  local candidate
  for candidate in ${PYTHON-} python3 /usr/bin/python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
    then
      command -v "$candidate"
      return
    fi
  done
}

# The newest PostgreSQL that has TimescaleDB, as dev.servers finds it.
find_timescaledb() {
  ls -d "$root"/usr/lib/postgresql/*/lib/timescaledb.so 2>/dev/null | sort -V | tail -n 1
}

build_timescaledb=no
packages=()
want() { [ -e "$root$2" ] || packages+=("$1"); }

[ -n "$(find_python)" ] || packages+=(python3 python3-venv)
[ "$own_broker" ] || want mosquitto /usr/sbin/mosquitto
if [ ! "$own_database" ] && [ -z "$(find_timescaledb)" ]; then
  case $debian in
    12)
      build_timescaledb=yes
      want postgresql-15 /usr/lib/postgresql/15/bin/postgres
      want postgresql-server-dev-15 /usr/include/postgresql/15/server/postgres.h
      want libssl-dev /usr/include/openssl/ssl.h
      want libkrb5-dev /usr/include/gssapi/gssapi.h
      want cmake /usr/bin/cmake
      want gcc /usr/bin/gcc
      want make /usr/bin/make
      want xz-utils /usr/bin/xz
      ;;
    *) packages+=(postgresql-17 postgresql-17-timescaledb) ;;
  esac
fi
if [ $for_tests = yes ]; then
  want mosquitto-clients /usr/bin/mosquitto_sub
  want chromium /usr/bin/chromium
  want fonts-noto-cjk /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc
fi

missing=("${packages[@]}")
[ $build_timescaledb = no ] || missing+=("TimescaleDB (built from Debian 13's source package)")
if [ ${#missing[@]} -gt 0 ]; then
  case $debian in
    12 | 13) ;;
    *)
      why_not="  It is not Debian 12 or 13, so nothing can be installed here."
      give_up "${missing[@]}"
      ;;
  esac
  if [ "$(id -u)" != 0 ]; then
    why_not="  Only root can install it: run  dev/setup.sh ${1-}  once as root, then again as yourself."
    give_up "${missing[@]}"
  fi
fi

# ---- the steps ---------------------------------------------------------------------------------

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends "${packages[@]}"
}

# A source list for Debian 13 made from the machine's own, in a folder of its own, so that the
# system's lists stay as they are. Third-party and security archives are left out.
write_trixie_sources() {
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    awk 'BEGIN { RS = ""; ORS = "\n\n" }
         /(^|\n)Suites:[^\n]*bookworm/ && !/bookworm-security/ && !/(^|\n)Enabled: *no/' "$file" |
      sed -E 's/^Suites:.*/Suites: trixie/; s/^Types:.*/Types: deb-src/; s/^Components:.*/Components: main/'
  done >sources/trixie.sources
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    sed -nE 's/^deb[[:space:]]+((\[[^]]*\][[:space:]]+)?[^[:space:]]+)[[:space:]]+bookworm[[:space:]].*/deb-src \1 trixie main/p' "$file"
  done >sources/trixie.list
}

install_timescaledb() {
  local folder options
  folder=$(mktemp -d /var/tmp/blocktwin-timescaledb.XXXXXX)
  cd "$folder"
  mkdir -p sources lists/partial
  chmod -R a+rX .
  write_trixie_sources
  options=(-o "Dir::State::Lists=$folder/lists" -o Dir::Etc::SourceList=/dev/null
    -o "Dir::Etc::SourceParts=$folder/sources" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  apt-get "${options[@]}" source --download-only timescaledb
  tar xf timescaledb_*.orig.tar.*
  cd timescaledb-*/
  ./bootstrap -DAPACHE_ONLY=1 -DREGRESS_CHECKS=OFF -DWARNINGS_AS_ERRORS=OFF -DCMAKE_BUILD_TYPE=Release
  make -C build -j"$(nproc)"
  make -C build install
  rm -rf "$folder"
}

make_environment() {
  rm -rf .venv
  "$(find_python)" -m venv .venv
}

install_requirements() {
  .venv/bin/python -m pip install --disable-pip-version-check --require-hashes \
    -r requirements/dev.txt
}

install_ourselves() {
  .venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
}

# A real ThingsBoard gateway, to be connected to the intake. In an environment of its own: it is no
# dependency, and brings its own MQTT client under paho's name.
install_thingsboard() {
  rm -rf .blocktwin/thingsboard
  "$(find_python)" -m venv .blocktwin/thingsboard
  .blocktwin/thingsboard/bin/python -m pip install --disable-pip-version-check --require-hashes \
    -r requirements/thingsboard.txt
}

# Only the checker of alert rules, out of Debian's package; its server is not installed.
fetch_promtool() {
  local folder
  folder=$(mktemp -d /var/tmp/blocktwin-promtool.XXXXXX)
  (cd "$folder" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; })
  dpkg-deb -x "$folder"/prometheus_*.deb "$folder"
  mkdir -p .blocktwin/tools
  cp "$folder/usr/bin/promtool" .blocktwin/tools/
  rm -rf "$folder"
}

node_with() { (cd web && PATH="$PWD/../.venv/bin:$PATH" "$@"); }

# digest FILE…: one word that changes when a name or the content of the files does.
digest() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

page_sources() {
  find web -path web/node_modules -prune -o -path web/test -prune -o -type f -print | LC_ALL=C sort
}

# once TITLE STAMP WORD COMMAND…: a step that is done when the stamp file holds the word.
once() {
  local title=$1 stamp=$2 word=$3
  shift 3
  if [ "$(cat "$stamp" 2>/dev/null)" = "$word" ]; then
    already "$title"
  else
    step "$title" "$@"
    echo "$word" >"$stamp"
  fi
}

if [ ${#packages[@]} -gt 0 ]; then
  printf 'Debian packages: %s\n' "${packages[*]}"
  step "Installing Debian packages" install_packages
else
  already "Debian packages"
fi

if [ "$own_database" ]; then
  echo "TimescaleDB: your own, by BLOCKTWIN_DATABASE__DSN"
elif [ $build_timescaledb = yes ]; then
  step "Building TimescaleDB (about a minute)" bash -euc "$(declare -f write_trixie_sources install_timescaledb); install_timescaledb"
else
  already "TimescaleDB"
fi

if .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  already "Virtual environment"
else
  step "Virtual environment" make_environment
fi
once "Python packages" .venv/requirements.stamp "$(digest requirements/dev.txt)" install_requirements
once "blocktwin itself" .venv/blocktwin.stamp "$(digest pyproject.toml)-$PWD" install_ourselves
[ -d web/node_modules ] || rm -f .venv/page-packages.stamp
once "Packages of the page" .venv/page-packages.stamp \
  "$(digest web/package.json web/package-lock.json)" node_with npm ci
[ -e twin/static/index.html ] || rm -f .venv/page.stamp
once "The page" .venv/page.stamp "$(page_sources | xargs -d '\n' sha256sum | sha256sum)" node_with npm run build
if [ $for_tests = yes ]; then
  [ -x .blocktwin/thingsboard/bin/python ] || rm -f .blocktwin/thingsboard.stamp
  once "ThingsBoard gateway" .blocktwin/thingsboard.stamp \
    "$(digest requirements/thingsboard.txt)" install_thingsboard
  [ -x .blocktwin/tools/promtool ] || rm -f .blocktwin/promtool.stamp
  once "Checker of alert rules" .blocktwin/promtool.stamp promtool fetch_promtool
fi
