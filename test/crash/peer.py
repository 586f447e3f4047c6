# SPDX-License-Identifier: Apache-2.0
"""The next hop: an SMTP server that remembers what it took."""
import socketserver
import threading
import time

from ledger import Copy, digest, message_id, queue_id, split


class Peer:
    """got: (mid, recipient, Copy).  bad* is refused for good; later* the first
    time."""

    def __init__(self, host):
        peer = self
        self.lock = threading.Lock()
        self.got = []
        self.put_off = set()
        self.open = 0			# recipients of open transactions

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 200

        class Handler(socketserver.StreamRequestHandler):
            timeout = 60

            def handle(self):
                try:
                    peer.talk(self.rfile, self.wfile)
                except OSError:
                    pass

        self.server = Server((host, 0), Handler)
        self.host, self.port = self.server.server_address
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def talk(self, f, out):
        out.write(b"220 peer.invalid ESMTP\r\n")
        to, data = [], None
        try:
            while True:
                line = f.readline()
                if not line:
                    return
                verb = line[:4].upper()
                if verb == b"EHLO":
                    out.write(b"250-peer.invalid\r\n250-PIPELINING\r\n"
                              b"250 8BITMIME\r\n")
                elif verb in (b"MAIL", b"RSET"):
                    self.count(-len(to))
                    to = []
                    out.write(b"250 2.0.0 ok\r\n")
                elif verb == b"RCPT":
                    r = line.split(b"<")[1].split(b">")[0].decode()
                    out.write(self.verdict(r, to))
                elif verb == b"DATA" and not to:
                    out.write(b"554 5.5.1 no recipients\r\n")
                elif verb == b"DATA":
                    out.write(b"354 go on\r\n")
                    data = self.data(f)
                    if data is None:
                        return
                    self.took(to, data)
                    out.write(b"250 2.0.0 ok\r\n")
                    self.count(-len(to))
                    to = []
                elif verb == b"QUIT":
                    out.write(b"221 2.0.0 bye\r\n")
                    return
                else:
                    out.write(b"500 5.5.1 what\r\n")
        finally:
            self.count(-len(to))

    def count(self, n):
        with self.lock:
            self.open += n

    def verdict(self, r, to):
        if r.startswith("bad"):
            return b"550 5.1.1 no such user\r\n"
        if r.startswith("later"):
            with self.lock:
                new = r not in self.put_off
                self.put_off.add(r)
            if new:
                return b"450 4.2.0 not now\r\n"
        to.append(r)
        self.count(1)
        return b"250 2.1.5 ok\r\n"

    @staticmethod
    def data(f):
        lines = []
        while True:
            line = f.readline()
            if not line:
                return None
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    def took(self, to, raw):
        head, body = split(raw)
        copy = Copy(digest(body), time.time(), queue_id(head))
        with self.lock:
            self.got += [(message_id(head), r, copy) for r in to]
