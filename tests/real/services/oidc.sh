#!/bin/bash
# An issuer of tokens (the npm package oidc-provider) with one client: harvester, secret in DIR/env. It speaks TLS.
#
#   OIDC_CERT, OIDC_KEY  its certificate, for localhost
#   OIDC_TTL             seconds that a token lasts
. "$(dirname "$(readlink -f "$0")")/lib.sh"

readonly PROGRAMS=${XDG_CACHE_HOME:-/var/cache}/harvester-tests/oidc VERSION=9

install() {
  packages openssl curl
  command -v npm >/dev/null || packages nodejs npm
  [ -d "$PROGRAMS/node_modules/oidc-provider" ] ||
    { mkdir -p "$PROGRAMS" && npm install --prefix "$PROGRAMS" --no-audit --no-fund --silent "oidc-provider@$VERSION" >&2; }
}

start() {
  needs node curl openssl
  [ -d "$PROGRAMS/node_modules/oidc-provider" ] ||
    { say "oidc-provider is not installed; run '$HERE/$SERVICE.sh install' as root"; exit 3; }
  alive oidc && return
  local issuer secret
  issuer=https://localhost:$(port oidc)
  [ -s "$DIR/secret" ] || (umask 077; openssl rand -hex 24 >"$DIR/secret")
  secret=$(cat "$DIR/secret")
  # modules are looked for beside the program, which another one may be reading just now
  cp "$HERE/oidc.mjs" "$PROGRAMS/.oidc.$$" && mv "$PROGRAMS/.oidc.$$" "$PROGRAMS/oidc.mjs"
  ISSUER=$issuer PORT=$(port oidc) CERT=${OIDC_CERT:?} KEY=${OIDC_KEY:?} TTL=${OIDC_TTL:-3600} SECRET=$secret \
    daemon oidc node "$PROGRAMS/oidc.mjs"
  until_ready oidc curl --silent --fail --insecure "$issuer/.well-known/openid-configuration" || return 1
  printf 'ISSUER=%s\nCLIENT_ID=harvester\nCLIENT_SECRET=%s\n' "$issuer" "$secret" >"$DIR/env"
}

stop() { end oidc; }

command_line "$@"
