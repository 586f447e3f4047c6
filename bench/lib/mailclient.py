# SPDX-License-Identifier: Apache-2.0
"""IMAP and POP3 clients that look at as little as they can: what is measured
is the server, on the same cores."""
import socket
import ssl

from instance import Failed

CHUNK = 1 << 18
TIMEOUT = 600


def connect(host, port, tls=False):
    s = socket.create_connection((host, port), TIMEOUT)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        c = ssl.create_default_context()
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        s = c.wrap_socket(s)
    return s


class Client:
    def __init__(self, host, port, tls=False):
        self.s = connect(host, port, tls)
        self.got = 0            # bytes received

    def recv(self):
        data = self.s.recv(CHUNK)
        if not data:
            raise Failed("the server closed the connection")
        self.got += len(data)
        return data

    def line(self):
        """For when nothing can follow the line."""
        data = b""
        while not data.endswith(b"\r\n"):
            data += self.recv()
        return data

    def close(self):
        self.s.close()


class Imap(Client):
    def __init__(self, host, port, user, password, tls=False):
        super().__init__(host, port, tls)
        self.n = 0
        self.line()
        self.ask("LOGIN %s %s" % (user, password))

    def until(self, tag):
        """Read up to the tagged line, which must say OK; the last few hundred
        bytes before it with it."""
        mark, tail = b"\r\n" + tag + b" ", b"\r\n"
        while True:
            tail += self.recv()
            at = tail.rfind(mark)
            if at >= 0 and tail.endswith(b"\r\n"):
                break
            tail = tail[-1000:]
        if not tail.startswith(b"OK", at + len(mark)):
            raise Failed("IMAP: %r" % tail[at:])
        return tail

    def ask(self, command):
        self.n += 1
        tag = b"a%d" % self.n
        self.s.sendall(tag + b" " + command.encode() + b"\r\n")
        return self.until(tag)

    def append(self, box, data):
        self.n += 1
        tag = b"a%d" % self.n
        self.s.sendall(b"%s APPEND %s {%d}\r\n" % (tag, box.encode(),
                                                   len(data)))
        if not self.line().startswith(b"+"):
            raise Failed("IMAP: no continuation for APPEND")
        self.s.sendall(data + b"\r\n")
        self.until(tag)

    def idle(self):
        self.s.sendall(b"i IDLE\r\n")
        if not self.line().startswith(b"+"):
            raise Failed("IMAP: no continuation for IDLE")


class Pop(Client):
    def __init__(self, host, port, user, password):
        super().__init__(host, port)
        self.line()
        self.ask("USER " + user)
        self.ask("PASS " + password)

    def ask(self, command):
        self.s.sendall(command.encode() + b"\r\n")
        line = self.line()
        if not line.startswith(b"+OK"):
            raise Failed("POP3: %r" % line)
        return line

    def ask_text(self, command):
        """For answers of many lines."""
        self.s.sendall(command.encode() + b"\r\n")
        tail = b""
        while not tail.endswith(b"\r\n.\r\n"):
            tail = tail[-1000:] + self.recv()
        if tail.startswith(b"-ERR"):
            raise Failed("POP3: %r" % tail)
