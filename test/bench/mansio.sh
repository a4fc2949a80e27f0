# mansio as a contestant of the side-by-side benchmark (docs/performance.md): a development build, everything as one user,
# sync on as shipped, concurrency not capped, no DNS, logs on, one Maildir.
# MANSIO_PROCESSES: so many mail processes (default: 1).
# The driver gives STATE PORT; MANSIO_ROOT (default: the repository this file lies in) says where build/ is.
MANSIO_ROOT=${MANSIO_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
MAILDIR=$STATE/mail/bob
CAPS="inbound-one inbound-many relay-one relay-many large idle backlog tls"
setup() {
  mkdir -p "$STATE/mail"
  local tls=
  if [ "$SCENARIO" = tls ]; then
    install -m 600 "$CERT" "$STATE/cert.pem"; install -m 600 "$KEY" "$STATE/key.pem"
    tls='tls = { certificate = "cert.pem"; key = "key.pem"; };'
  fi
  cat > "$STATE/mansio.conf" <<CONF
version = 1;
host_name = "benchhost.bench.invalid"; mail_name = "bench.invalid";
run_as = "";
mail_processes = ${MANSIO_PROCESSES:-1};
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = $PORT; role = "relay"; } );
$tls
domains = { local = [ "bench.invalid" ]; };
relay_from = [ "127.0.0.0/8" ];
# as for the others: no limit on what one client may do
limits = { connections_per_client = 10000; messages_per_connection = 100000; session_size = "100G"; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; hosts = [ "[127.0.0.1]:$SINK_PORT" ]; connections = 50; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; },
           { name = "everywhere"; domains = [ "*" ]; transport = "internet"; } );
CONF
}
start() { "$MANSIO_ROOT/build/daemon/mansiod" --config "$STATE/mansio.conf" --foreground </dev/null >/dev/null 2>&1 & echo $! > "$STATE/pid"; }
stop()  { kill "$(cat "$STATE/pid")" 2>/dev/null || :; wait_gone "$(cat "$STATE/pid")"; }
clean() { rm -rf "$STATE/spool" "$STATE/log" "$STATE/run" "$MAILDIR"; mkdir -p "$MAILDIR"/{tmp,new,cur}; }
qcount() { "$MANSIO_ROOT/build/daemon/sendmail" -C "$STATE/mansio.conf" -bp --json 2>/dev/null | grep -c '"id"' || :; }
queue()  { "$MANSIO_ROOT/build/daemon/sendmail" -C "$STATE/mansio.conf" -bp; }
