#!/usr/bin/env bash
# Three PostgreSQL nodes under Patroni 4, with Floe in the place of etcd. Everything is on loopback.
#
# usage: patroni.sh try [FOLDER]     starts all of it, shows what docs/patroni.md tells of, and ends it
#        patroni.sh short [FOLDER]   the same with two PostgreSQL nodes and without the switchover
#        patroni.sh start [FOLDER]   starts all of it, and leaves it running
#        patroni.sh stop [FOLDER]    ends it
#        patroni.sh check            says whether all that is needed is there
#
# Needs: deno, PostgreSQL's programs (PG_BIN, or /usr/lib/postgresql/*/bin), and Patroni with psycopg (PATRONI names
# its program; pip install 'patroni[etcd3]' 'psycopg[binary]'). PostgreSQL does not run as root: for root, the programs
# run as PG_USER (default: postgres). Exit code 77: something that is needed is not there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mode=${1:-try}
root=${2:-${TMPDIR:-/tmp}/floe-patroni}
floe=${FLOE:-"deno run --quiet --frozen -P=floe $here/../../main.ts"}
base=${BASE_PORT:-17600}
nodes="one two three" numbers="1 2 3"
[ "$mode" = short ] && nodes="one two" numbers="1 2"
ports=([1]=$((base + 211)) [2]=$((base + 212)) [3]=$((base + 213)))
rests=([1]=$((base + 221)) [2]=$((base + 222)) [3]=$((base + 223)))
# Patroni speaks etcd's protocol over JSON, which is at the address of the API.
etcd="127.0.0.1:$((base + 101)),127.0.0.1:$((base + 102)),127.0.0.1:$((base + 103))"
# How often Patroni looks, and for how long a primary keeps its lead without renewing it.
loop_wait=${LOOP_WAIT:-2} ttl=${TTL:-20} retry_timeout=${RETRY_TIMEOUT:-5}

missing() { echo "patroni.sh: $1" >&2; exit 77; }
say() { echo "$(date +%H:%M:%S) $*"; }
fail() { say "FAILED: $*"; tail -n 4 "$root"/*.log >&2; stop; exit 1; }

find_programs() {
  pg_bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)}
  [ -x "$pg_bin/postgres" ] || missing "there is no PostgreSQL; PG_BIN names the folder of its programs"
  patroni=${PATRONI:-$(command -v patroni)}
  [ -x "$patroni" ] || missing "there is no Patroni: pip install 'patroni[etcd3]' 'psycopg[binary]'"
  if [ "$(id -u)" = 0 ]; then
    user=${PG_USER:-postgres}
    id "$user" >/dev/null 2>&1 || missing "PostgreSQL does not run as root, and there is no user $user"
    as="setpriv --reuid $user --regid $(id -g "$user") --clear-groups env HOME=$root"
  else as=env; fi
  $as "$patroni" --version >/dev/null 2>&1 || missing "$patroni cannot be run by ${user:-this user}"
  # Without what the extra brings, Patroni starts, and fails only when it looks for its cluster.
  local python
  python=$(sed -n '1s/^#! *\(.*python.*\)$/\1/p' "$patroni")
  # shellcheck disable=SC2086 # perhaps "env python3"
  [ -z "$python" ] || $as $python -c 'import patroni.dcs.etcd3' >/dev/null 2>&1 ||
    missing "$patroni lacks what it needs for etcd3: pip install 'patroni[etcd3]'"
}

configure() { # number name
  cat <<YAML
scope: floe
name: $2
restapi: { listen: 127.0.0.1:${rests[$1]}, connect_address: 127.0.0.1:${rests[$1]} }
etcd3: { hosts: "$etcd" }
bootstrap:
  dcs:
    ttl: $ttl
    loop_wait: $loop_wait
    retry_timeout: $retry_timeout
    maximum_lag_on_failover: 1048576
    postgresql: { use_pg_rewind: true, parameters: { fsync: "off", shared_buffers: 16MB, max_connections: 20 } }
  initdb: [ encoding: UTF8, data-checksums, no-sync ]
postgresql:
  listen: 127.0.0.1:${ports[$1]}
  connect_address: 127.0.0.1:${ports[$1]}
  data_dir: $root/$2/data
  bin_dir: $pg_bin
  pgpass: $root/$2/pgpass
  authentication:
    superuser: { username: postgres, password: secret }
    replication: { username: replicator, password: secret }
    rewind: { username: rewinder, password: secret }
  parameters: { unix_socket_directories: $root/$2 }
  pg_hba: [ host all all 127.0.0.1/32 md5, host replication all 127.0.0.1/32 md5 ]
tags: { }
YAML
}

start() {
  find_programs
  [ -e "$root" ] && missing "$root is there already: stop it, or name another folder"
  mkdir -p "$root"
  say "Floe: three nodes, etcd's clients at $etcd"
  # shellcheck disable=SC2086 # several words
  setsid $floe cluster --nodes 3 --base-port "$base" --data-dir "$root/floe" -o json --log-level warn \
    >"$root/floe.out" 2>"$root/floe.log" </dev/null &
  echo $! >"$root/floe.pid"
  wait_until 60 grep -q '"event":"leader"' "$root/floe.out" || fail "Floe has no leader"
  chmod 755 "$root"
  local number=0 name
  for name in $nodes; do
    number=$((number + 1))
    mkdir -p "$root/$name"
    configure $number "$name" >"$root/$name/patroni.yml"
    [ "$(id -u)" = 0 ] && chown -R "$user" "$root/$name"
    run_patroni "$name"
  done
}

# Patroni and its PostgreSQL, at once: PostgreSQL outlives a Patroni that is killed alone.
kill_node() { # name
  kill -KILL -- "-$(cat "$root/$1.pid")" "$(postmaster "$1")" 2>/dev/null
}
postmaster() { head -n 1 "$root/$1/data/postmaster.pid" 2>/dev/null; }

run_patroni() { # name
  setsid $as "$patroni" "$root/$1/patroni.yml" >>"$root/$1.log" 2>&1 </dev/null &
  echo $! >"$root/$1.pid"
  disown
}

stop() {
  local name pid
  # Nobody looks at what is left of a short one.
  [ "$mode" = short ] && for name in $nodes; do kill_node "$name"; done
  for name in $nodes floe; do
    pid=$(cat "$root/$name.pid" 2>/dev/null) && kill -TERM -- "-$pid" 2>/dev/null
  done
  for name in $nodes floe; do
    pid=$(cat "$root/$name.pid" 2>/dev/null) || continue
    wait_until 20 gone "$pid" || kill -KILL -- "-$pid" $(postmaster "$name") 2>/dev/null
  done
  [ -n "${guard_pid:-}" ] && kill "$guard_pid" 2>/dev/null
  rm -rf "$root"
}

gone() { ! kill -0 -- "-$1" 2>/dev/null; }
wait_until() { # seconds command...
  local end=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -ge $end ] && return 1; sleep 0.3; done
}

# What Patroni's REST API and PostgreSQL itself say.
role() { curl -s --max-time 2 "http://127.0.0.1:${rests[$1]}/patroni" | sed -nE 's/.*"role": ?"([a-z_]+)".*/\1/p'; }
sql() { PGPASSWORD=secret PGCONNECT_TIMEOUT=2 "$pg_bin/psql" -h 127.0.0.1 -p "${ports[$1]}" -U postgres -d postgres -Atqc "$2" 2>/dev/null; }
primaries() { local n; for n in $numbers; do [ "$(sql $n 'select pg_is_in_recovery()')" = f ] && echo $n; done; }
has_primary() { [ "$(primaries | wc -w)" = 1 ]; }
has_other() { has_primary && ! is_primary "$1"; }
is_replica() { [ "$(role "$1")" = replica ] && [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:${rests[$1]}/replica")" = 200 ]; }
all_in() { local n; for n in $numbers; do [ "$n" = "$1" ] || is_replica $n || return 1; done; }
name_of() { echo $nodes | cut -d' ' -f"$1"; }
holds() { [ "$(sql "$1" "select count(*) from written where value = '$2'")" = 1 ]; }
write() { sql "$(primaries | head -n 1)" "create table if not exists written (value text); insert into written values ('$1')" && return 0; return 1; }
written() { wait_until 30 write "$1" || fail "no primary takes a write"; local n; for n in $2; do wait_until 60 holds "$n" "$1" || fail "node $n has not '$1'"; done; }

# Asks all three without end: more than one that takes writes at the same time would be two primaries.
guard() {
  while [ -e "$root" ]; do
    local now; now=$(primaries); [ "$(echo "$now" | wc -w)" -gt 1 ] && echo "$(date +%H:%M:%S) $(echo $now)" >>"$root/two_primaries"
    sleep 0.2
  done
}
check_guard() { # One that is asked a moment after the other may have changed meanwhile: twice in a row is no moment.
  [ -e "$root/two_primaries" ] || return 0
  [ "$(wc -l <"$root/two_primaries")" -le 1 ] || { cat "$root/two_primaries" >&2; fail "there were two primaries"; }
}

try() {
  start
  guard & guard_pid=$!
  wait_until 90 has_primary || fail "no primary"
  local primary; primary=$(primaries)
  say "bootstrapped: the primary is $(name_of "$primary")"
  wait_until 120 all_in "$primary" || fail "the others are no replicas"
  written first "$numbers"
  say "replicated to all"

  local target=$primary
  [ "$mode" = short ] || { target=$((primary % 3 + 1)); switch_over; }
  survive_floe
  fail_over
  check_guard
  say "never two primaries"
  stop
  say "ok"
}

switch_over() {
  $as "$(dirname "$patroni")/patronictl" -c "$root/$(name_of "$target")/patroni.yml" switchover floe \
    --leader "$(name_of "$primary")" --candidate "$(name_of "$target")" --force >"$root/switchover.log" 2>&1 ||
    fail "the switchover was refused: $(tail -n 3 "$root/switchover.log")"
  wait_until 60 is_primary "$target" || fail "$(name_of "$target") did not take over"
  wait_until 90 all_in "$target" || fail "the old primary is no replica"
  written second "$numbers"
  say "switched over to $(name_of "$target")"
}

survive_floe() {
  floe_leader
  kill -KILL "$leader_pid"
  say "killed Floe's leader, pid $leader_pid"
  written third "$numbers"
  wait_until 60 is_primary "$target" || fail "PostgreSQL lost its primary with Floe's leader"
  say "the primary is still $(name_of "$target")"
}

fail_over() {
  kill_node "$(name_of "$target")"
  say "killed the primary, $(name_of "$target"), with its PostgreSQL"
  wait_until 90 has_other "$target" || fail "nobody took over"
  primary=$(primaries)
  say "failed over to $(name_of "$primary")"
  [ "$mode" = short ] && { written fourth "$primary"; return; }
  run_patroni "$(name_of "$target")"
  wait_until 120 all_in "$primary" || fail "the killed one did not come back as a replica"
  written fourth "$numbers"
  say "$(name_of "$target") is back, as a replica with every row"
}

is_primary() { [ "$(primaries)" = "$1" ]; }
floe_leader() {
  local id; id=$(curl -s "http://127.0.0.1:$((base + 101))/v1/leader" | sed -nE 's/.*"leader":"([^"]+)".*/\1/p')
  leader_pid=$(grep '"event":"node"' "$root/floe.out" | grep "\"id\":\"$id\"" | sed -nE 's/.*"pid":([0-9]+).*/\1/p' | tail -n 1)
  [ -n "$leader_pid" ] || fail "Floe's leader is not known"
}

case $mode in
try | short) try ;;
check) find_programs ;;
start) start; say "running in $root; the REST APIs of Patroni are at ${rests[*]}; end it with: $0 stop $root" ;;
stop) stop ;;
*) echo "usage: $0 try|short|start|stop|check [FOLDER]" >&2; exit 2 ;;
esac
