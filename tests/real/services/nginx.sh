#!/bin/bash
# An nginx with one site: the file NGINX_SITE.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

install() { packages nginx-light curl; }

start() {
  local user; user=$(account nobody)
  needs nginx curl
  alive nginx && return
  open_to "$user"
  mkdir -p "$DIR/run"
  cat >"$DIR/nginx.conf" <<CONF
$(is_root && echo "user $user $(id -gn "$user");")
worker_processes 1;
daemon off;
pid $DIR/run/pid;
events { worker_connections 512; }
http {
  client_body_temp_path $DIR/run/body; proxy_temp_path $DIR/run/proxy; uwsgi_temp_path $DIR/run/uwsgi;
  fastcgi_temp_path $DIR/run/fastcgi; scgi_temp_path $DIR/run/scgi;
  include ${NGINX_SITE:?};
}
CONF
  cp /etc/nginx/uwsgi_params "$DIR/"
  nginx -t -q -p "$DIR" -e "$DIR/error.log" -c "$DIR/nginx.conf" || return 1
  daemon nginx nginx -p "$DIR" -e "$DIR/error.log" -c "$DIR/nginx.conf"
  until_ready nginx test -s "$DIR/run/pid"
}

stop() { end nginx; }

command_line "$@"
