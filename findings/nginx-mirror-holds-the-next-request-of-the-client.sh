#!/usr/bin/env bash
# NGINX 1.22.1 (Debian 12): a mirror that does not answer holds the next request of every client that keeps its connection.
#
# The documentation says that "responses to mirror subrequests are ignored", so most people would guess that a shadow cannot
# hurt production, however slow it is. The answer to the mirrored request does come at once. But the request is only over when its
# mirror is, and until then NGINX reads nothing more from that connection: the client's next request waits for the shadow, by default
# for up to the 60 s of proxy_read_timeout. Bitten: whoever mirrors to a new version first "because it is safe" behind load balancers
# and clients with keep-alive; give the mirrored location short proxy_connect_timeout and proxy_read_timeout.
set -euo pipefail
# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../scripts/lib/packages.sh"
ensure_programs /usr/sbin/nginx=nginx python3=python3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/sbin/nginx -v
cat > "$folder/try.py" <<'PY'
import http.client, http.server, socket, subprocess, sys, threading

folder = sys.argv[1]
shadow_asked, shadow_may_answer = threading.Event(), threading.Event()


class Production(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Shadow(Production):
    def do_GET(self):
        shadow_asked.set()
        shadow_may_answer.wait()
        super().do_GET()


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


production, shadow = serve(Production), serve(Shadow)
own = "".join(f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
with open(f"{folder}/nginx.conf", "w") as out:
    out.write(f"""
daemon off; master_process off; pid {folder}/pid; error_log stderr notice; events {{}}
http {{ access_log off; {own}
  server {{
    listen unix:{folder}/socket;
    location / {{ mirror /_mirror; proxy_pass http://127.0.0.1:{production}; }}
    location = /_mirror {{ internal; proxy_pass http://127.0.0.1:{shadow}; }}
  }}
}}
""")
nginx = subprocess.Popen(["/usr/sbin/nginx", "-e", "stderr", "-c", f"{folder}/nginx.conf"], stderr=subprocess.PIPE, text=True)
try:
    next(line for line in nginx.stderr if "event method" in line)
    client = http.client.HTTPConnection("nginx")
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.connect(f"{folder}/socket")
    client.request("GET", "/first")
    print("first:", client.getresponse().read().decode())
    assert shadow_asked.wait(30)
    client.request("GET", "/second")
    client.sock.settimeout(3)
    try:
        print("second, while the shadow says nothing:", client.getresponse().read().decode())
        held = False
    except TimeoutError:
        print("second, while the shadow says nothing: no answer in 3 s")
        held = True
    # Another connection is not held.
    other = http.client.HTTPConnection("nginx")
    other.sock = socket.socket(socket.AF_UNIX)
    other.sock.connect(f"{folder}/socket")
    other.request("GET", "/other")
    print("on another connection:", other.getresponse().read().decode())
    shadow_may_answer.set()
    client.sock.settimeout(30)
    print("second, once the shadow answers:", client.sock.recv(15).decode())
    sys.exit(not held)
finally:
    nginx.kill()
PY
# Seen:
#   first: ok
#   second, while the shadow says nothing: no answer in 3 s
#   on another connection: ok
#   second, once the shadow answers: HTTP/1.1 200 OK
python3 "$folder/try.py" "$folder"
