#!/usr/bin/env bash
# A Redis and a MariaDB to throw away, for tests and to try things: on free ports of 127.0.0.1, with their data in a
# temporary folder, apart from whatever else runs on the machine. What is missing is installed from Debian's
# packages.
#
#   scripts/stores.sh start          starts both and waits until they answer; nothing if they run already
#   scripts/stores.sh env            prints the variables that tests read: eval "$(scripts/stores.sh env)"
#   scripts/stores.sh sql [ARG…]     the client of SQL: scripts/stores.sh sql < docs/schema.sql
#   scripts/stores.sh run COMMAND…   runs a command with these variables, in stores of its own if none run
#   scripts/stores.sh stop           stops both and deletes their data; nothing if none run
#
# Variables: TEAMTALK_STORES_DIR is the folder (its default is one for each user and checkout);
# TEAMTALK_REDIS_PORT and TEAMTALK_SQL_PORT are the ports (by default free ones are chosen).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Short: a path of a Unix socket has at most 107 characters.
checkout=$(printf '%s' "$here" | cksum | cut -d' ' -f1)
dir=${TEAMTALK_STORES_DIR:-${TMPDIR:-/tmp}/teamtalk-stores-$(id -u)-$checkout}
dir=${dir%/}
password=teamtalk

fail() {
  echo "stores.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '2,13p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2
  exit 2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    fail "redis-server or mariadbd is missing, and only root installs packages: apt-get install redis-server mariadb-server"
  fi
}

# Installs what is missing, and has Debian start no service of it.
install_missing() {
  local missing=() policy=/usr/sbin/policy-rc.d status=0
  command -v redis-server >/dev/null || missing+=(redis-server)
  command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null && command -v mariadb >/dev/null ||
    missing+=(mariadb-server)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null ||
    fail "${missing[*]} is missing, and there is no apt-get here: install it and put it on PATH"
  echo "installing ${missing[*]}" >&2
  as_root apt-get update >&2 || fail "apt-get update failed"
  local ours=
  if [ ! -e $policy ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y "${missing[@]}" >&2 || status=$?
  [ -z "$ours" ] || as_root rm -f $policy
  [ "$status" -eq 0 ] || fail "apt-get install ${missing[*]} failed"
}

# The process of a pid file, if it runs and is ours: a pid may be somebody else's by now. Ours has its folder
# as its working directory.
pid_of() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$dir/$1" ] || return 1
  echo "$pid"
}

is_running() {
  [ -f "$dir/env" ] && pid_of redis >/dev/null && pid_of sql >/dev/null
}

end() {
  local pid n
  pid=$(pid_of "$1") || return 0
  kill "$pid" 2>/dev/null || return 0
  for n in $(seq 200); do
    kill -0 "$pid" 2>/dev/null || return 0
    # One that was started by this very shell stays as a zombie.
    [ "$(ps -o stat= -p "$pid" 2>/dev/null | cut -c1)" != Z ] || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
}

is_taken() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
  local port n
  for n in $(seq 50); do
    # Below those that the kernel gives to who dials.
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    is_taken "$port" || {
      echo "$port"
      return
    }
  done
  fail "no free port between 20000 and 32000"
}

port_for() {
  local given=$1 name=$2
  if [ -z "$given" ]; then
    free_port
  elif ! [[ $given =~ ^[0-9]+$ ]] || [ "$given" -lt 1 ] || [ "$given" -gt 65535 ]; then
    fail "$name=$given is no port: expected 1 to 65535"
  elif is_taken "$given"; then
    fail "port $given ($name) is taken: stop what listens there, or choose another"
  else
    echo "$given"
  fi
}

# Waits until a command succeeds, as long as a process runs.
until_ready() {
  local name=$1 log=$2 n
  shift 2
  for n in $(seq 300); do
    if "$@" >/dev/null 2>&1; then
      return 0
    fi
    pid_of "$name" >/dev/null || [ "$n" -lt 20 ] || break
    sleep 0.1
  done
  tail -20 "$log" >&2 || true
  return 1
}

as_admin() {
  mariadb --no-defaults --socket="$dir/sql.sock" --user=root "$@"
}

start_redis() {
  local port=$1
  mkdir -p "$dir/redis"
  # In a folder of its own: pid_of knows it by that.
  (cd "$dir/redis" && exec setsid redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no \
    --daemonize no --logfile "$dir/redis.log" --dir "$dir/redis" >/dev/null 2>&1 </dev/null 9>&-) &
  echo $! >"$dir/redis.pid"
  until_ready redis "$dir/redis.log" redis-cli -h 127.0.0.1 -p "$port" ping
}

start_sql() {
  local port=$1 user
  user=$(id -un)
  mkdir -p "$dir/sql"
  # The defaults of the server, but that a lost disk would lose the last second: the data is thrown away.
  (cd "$dir/sql" && exec setsid mariadbd --no-defaults --user="$user" --datadir="$dir/sql" \
    --socket="$dir/sql.sock" --pid-file="$dir/sql.server-pid" --port="$port" --bind-address=127.0.0.1 \
    --skip-log-bin --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_bin --max-connections=500 \
    --log-error="$dir/sql.log" ${TEAMTALK_SQL_OPTIONS:-} >/dev/null 2>&1 </dev/null 9>&-) &
  echo $! >"$dir/sql.pid"
  until_ready sql "$dir/sql.log" as_admin -e 'select 1' || return 1
  as_admin -e "create database if not exists teamtalk;
    create user if not exists teamtalk@'127.0.0.1' identified by '$password';
    create user if not exists teamtalk@localhost identified by '$password';
    grant all on *.* to teamtalk@'127.0.0.1'; grant all on *.* to teamtalk@localhost"
}

wipe() {
  end redis
  end sql
  rm -rf "$dir"
}

# Two that start at once: the second waits and finds them running.
locked() {
  exec 9>"$dir.lock"
  flock -w 120 9 || fail "another stores.sh holds $dir.lock"
}

start() {
  local redis_port sql_port
  install_missing
  locked
  if is_running; then
    echo "already running: $(tr '\n' ' ' <"$dir/env")" >&2
    return
  fi
  # What a start that was killed has left.
  wipe
  redis_port=$(port_for "${TEAMTALK_REDIS_PORT:-}" TEAMTALK_REDIS_PORT)
  sql_port=$(port_for "${TEAMTALK_SQL_PORT:-}" TEAMTALK_SQL_PORT)
  mkdir -p "$dir"
  chmod 700 "$dir"
  mkdir -p "$dir/sql"
  mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$dir/sql" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/install.log" 2>&1 9>&- || {
    tail -20 "$dir/install.log" >&2
    wipe
    fail "mariadb-install-db failed"
  }
  start_redis "$redis_port" || {
    wipe
    fail "redis-server did not start on port $redis_port"
  }
  start_sql "$sql_port" || {
    wipe
    fail "mariadbd did not start on port $sql_port"
  }
  cat >"$dir/env.new" <<END
export TEAMTALK_REDIS=127.0.0.1:$redis_port
export TEAMTALK_SQL=mysql://teamtalk:$password@127.0.0.1:$sql_port/teamtalk
END
  mv "$dir/env.new" "$dir/env"
  echo "started: redis-server on 127.0.0.1:$redis_port, mariadbd on 127.0.0.1:$sql_port, data in $dir" >&2
}

stop() {
  locked
  if [ ! -d "$dir" ]; then
    echo "not running" >&2
  else
    wipe
    echo "stopped" >&2
  fi
  rm -f "$dir.lock"
}

case ${1:-} in
  start) [ $# -eq 1 ] || usage; start ;;
  stop) [ $# -eq 1 ] || usage; stop ;;
  env)
    [ $# -eq 1 ] || usage
    is_running || fail "not running: scripts/stores.sh start"
    cat "$dir/env"
    ;;
  sql)
    shift
    is_running || fail "not running: scripts/stores.sh start"
    mariadb --no-defaults --socket="$dir/sql.sock" --user=teamtalk --password="$password" teamtalk "$@"
    ;;
  run)
    shift
    [ $# -gt 0 ] || usage
    if ! is_running; then
      # Also when the command is interrupted.
      trap '"$here/scripts/stores.sh" stop' EXIT
      "$here/scripts/stores.sh" start
    fi
    # shellcheck disable=SC1091
    . "$dir/env"
    "$@"
    ;;
  *) usage ;;
esac
