"""Answers every request over TLS with 404 and writes it down: tls_server.py CERTIFICATE KEY LOG. Prints its port. Run by check-image.sh."""

import http.server
import ssl
import sys

certificate, key, log = sys.argv[1:]


class Refusing(http.server.BaseHTTPRequestHandler):
    def answer(self):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{self.command} {self.path.split('?')[0]}\n")
        self.send_error(404)
        self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
