#!/usr/bin/env bash
# Verifies a leader's certificate, and with it the chain of memberships, with OpenSSL 3 and jq.
#
#   verify.sh KEY leader.note [chain.json]
#
# KEY is the group key as 64 hex digits. chain.json is what GET /v1/members/chain answers with.
set -euo pipefail

refuse() {
  echo "refused: $*" >&2
  exit 1
}

# The lines of a note before its signature, once the key's owner has signed them: into $work/text.
open_note() {
  local note=$1 name
  sed '/^$/,$d' "$note" > "$work/text"
  name=$(sed -n 's/^cluster //p' "$work/text" | head -n 1)
  tail -n 1 "$note" | cut -d' ' -f3 | base64 -d > "$work/signed" 2> "$work/errors" ||
    refuse "the last line is no signature"
  # One form only: the text, an empty line, one signature line with the name of its cluster.
  { cat "$work/text" && printf '\n— %s %s\n' "$name" "$(base64 -w 0 < "$work/signed")"; } |
    cmp -s - "$note" || refuse "the note is not in its one exact form"
  { printf '%s\n\001' "$name" && cat "$work/key"; } | openssl dgst -sha256 -binary |
    head -c 4 | cmp -s - <(head -c 4 "$work/signed") || refuse "it is signed with another key"
  tail -c +5 "$work/signed" > "$work/signature"
  openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey "$work/key.der" -in "$work/text" \
    -sigfile "$work/signature" > "$work/errors" 2>&1 || refuse "the signature is not of this text"
}

field() {
  sed -n "s/^$1 //p" "$work/text"
}

# The hash that the next membership names: without the last line, which says who signs.
hash_text() {
  sed '/^by /d' "$work/text" | sha256sum | cut -d' ' -f1
}

open_membership() {
  jq -j "$1" "$chain" > "$work/membership"
  open_note "$work/membership"
  [ "$(head -n 1 "$work/text")" = floe/membership/v1 ] || refuse "a note is no membership"
  [ "$(field group)" = "$key" ] || refuse "a membership names another group key"
  [ "$(field cluster)" = "$cluster" ] || refuse "a membership is of another cluster"
  [ "$(field by)" = "$2" ] || refuse "membership $(field sequence) is not signed by epoch $2"
}

# Exits unless the leader was a voter of its epoch.
verify_chain() {
  local chain=$1 count at=0 now previous is_voter=no
  jq -j .founding "$chain" > "$work/text"
  now=$(field epoch) previous=$(sha256sum < "$work/text" | cut -d' ' -f1)
  [ "$(head -n 1 "$work/text")" = floe/genesis/v1 ] || refuse "there is no founding text"
  [ "$now" != "$epoch" ] || ! grep -q "^voter $leader " "$work/text" || is_voter=yes
  count=$(jq '.memberships | length' "$chain")
  [ "$count" -gt 0 ] || refuse "nothing in the chain is signed"
  while [ "$at" -lt "$count" ]; do
    open_membership ".memberships[$at].byOld" "$now"
    [ "$(field sequence) $(field previous)" = "$((at + 1)) $previous" ] ||
      refuse "membership $((at + 1)) does not follow the one before"
    previous=$(hash_text)
    if jq -e ".memberships[$at].byNew != null" "$chain" > "$work/errors"; then
      now=$((now + 1))
      open_membership ".memberships[$at].byNew" "$now"
      [ "$(hash_text)" = "$previous" ] || refuse "the two notes of membership $((at + 1)) differ"
    fi
    at=$((at + 1))
    [ "$(field epoch)" = "$now" ] || refuse "membership $at lacks a note, or has one too many"
    if [ "$now" = "$epoch" ]; then
      is_voter=no
      ! grep -q "^voter $leader " "$work/text" || is_voter=yes
    fi
  done
  [ "$is_voter" = yes ] || refuse "$leader is no voter of epoch $epoch"
}

[ $# -eq 2 ] || [ $# -eq 3 ] || refuse "usage: verify.sh KEY leader.note [chain.json]"
key=$1
[[ $key =~ ^[0-9a-f]{64}$ ]] || refuse "the key is not 64 hex digits"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
for byte in $(fold -w 2 <<< "$key"); do printf '%b' "\\x$byte"; done > "$work/key"
# SubjectPublicKeyInfo of Ed25519 (RFC 8410) up to the raw key.
{ printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' && cat "$work/key"; } > "$work/key.der"
open_note "$2"
[ "$(cut -d' ' -f1 "$work/text" | tr '\n' ' ')" = "floe/election/v1 cluster epoch term leader log " ] ||
  refuse "this is no election"
cluster=$(field cluster) epoch=$(field epoch) term=$(field term) leader=$(field leader)
[ $# -eq 2 ] || verify_chain "$3"
echo "$leader leads term $term of $cluster"
