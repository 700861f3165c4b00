#!/bin/sh
# Floe and the Deno that runs it, in one self-extracting file: this text, then a tar.gz. The first
# run unpacks it into a folder of its own content's name; later runs start from there at once.
set -eu

files='@FILES@'
bytes=@BYTES@
offset=@OFFSET@

fail() {
  echo "floe: Cannot unpack: $1" >&2
  exit 1
}

cache=${FLOE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}}
cache=${cache:-${TMPDIR:-/tmp}}/floe-$(id -u)
folder=$cache/@KEY@

# What others could have put there is not to be run; and a crash of the machine can leave a file
# shorter than it was written, or a whole one missing. `wc` is started once: each program costs time.
is_complete() {
  [ -O "$cache" ] && [ -O "$folder" ] && [ -x "$folder/deno" ] || return 1
  # Without quotes, as both are lists of words.
  set -- $(cd "$folder" && wc -c $files 2> /dev/null | tail -n 1)
  [ "${1:-0}" -eq "$bytes" ]
}

unpack() (
  umask 077
  mkdir -p "$folder" || fail "$folder cannot be made. Name another place with FLOE_CACHE_DIR."
  [ -O "$cache" ] && [ -O "$folder" ] || fail "$cache belongs to another user."
  temporary=$(mktemp -d "$folder/.unpack.XXXXXX") || fail "$folder cannot be written to."
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 1' HUP INT TERM
  tail -c "+$offset" "$0" | tar -xzf - -C "$temporary" ||
    fail "this file is damaged, or the disk of $folder is full."
  # Each rename is atomic and all processes rename the same content: any number may do it at once.
  mv -f "$temporary"/* "$folder"
)

is_complete || unpack
is_complete || fail "$folder is not what was packed. Remove it and try again."

case $0 in
  /*) FLOE_EXECUTABLE=$0 ;;
  *) FLOE_EXECUTABLE=$PWD/$0 ;;
esac
export FLOE_EXECUTABLE
# A node's memory: see NODE_ENVIRONMENT in lib/cli/process_context.ts.
export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-131072}"
export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-131072}"
export DENO_DIR="$folder/cache" DENO_NO_UPDATE_CHECK=1
exec "$folder/deno" run --quiet --no-prompt --no-config --no-lock --no-remote --no-npm \
  @OPTIONS@ "$folder/floe.js" "$@"
