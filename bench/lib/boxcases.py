# SPDX-License-Identifier: Apache-2.0
"""Cases in which a mailbox is read: IMAP and POP3."""
import time

import load
import mail
import report
import servers
from cage import Counter
from mailclient import Imap, Pop

FIELDS = "BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID " \
    "REFERENCES IN-REPLY-TO)]"


def user(n):
    return "user%d@%s" % (n, servers.DOMAIN)


class Steps:
    """Times named steps of one session on one server."""

    def __init__(self, peer, place, counted):
        self.peer, self.place, self.counted = peer, place, counted
        self.rows = {}

    def step(self, title, times, action, *args):
        """action(i, *args) for i in range(times): figures of one."""
        if self.counted:
            return self.count(title, times, action, *args)
        cpu, begun = self.peer.cage.cpu(), time.monotonic()
        for i in range(times):
            action(i, *args)
        self.rows[title] = {
            "ms": (time.monotonic() - begun) * 1000 / times,
            "cpu_ms": (self.peer.cage.cpu() - cpu) * 1000 / times,
            "label": self.peer.label,
            "durability": self.peer.durability["mailbox"]}

    def count(self, title, times, action, *args):
        with Counter(self.peer.cage) as counter:
            for i in range(times):
                action(i, *args)
        self.rows[title] = {k: v / times for k, v in counter.found.items()}


class Mailbox:
    """A sequence of steps on a mailbox that another program filled.  Counts
    of calls come from a second server that does all of it again."""
    kind = report.OPERATION
    mode = "mailbox"

    def __init__(self, group, messages):
        self.group, self.messages = group, messages

    def suits(self, peer):
        return "mailbox" in peer.modes

    def run(self, peer_class, env, counted):
        rows = self.sequence(peer_class, env, False)
        if counted:
            for title, v in self.sequence(peer_class, env, True).items():
                rows[title].update(v)
        return rows

    def sequence(self, peer_class, env, counted):
        with env.scratch.place() as place:
            peer = peer_class(place, "mailbox")
            try:
                mail.fill_maildir(peer.maildir(0), self.messages,
                                  peer.mail_owner(), peer.line_end)
                place.settle()
                steps = Steps(peer, place, counted)
                self.steps(steps, peer, self.messages)
                return {"%s: %s" % (self.group.upper(), t): v
                        for t, v in steps.rows.items()}
            finally:
                peer.cage.kill()


class ImapBox(Mailbox):
    def __init__(self, messages):
        super().__init__("imap", messages)

    def steps(self, s, peer, n):
        def ask(i, text):
            c.ask(text.format(i + 1))

        def both(title, times, text):
            """The first time, when nothing is cached, and from then on."""
            s.step(title + ", first time", 1, ask, text)
            s.step(title, times, ask, text)

        some = max(1, n // 10)
        s.step("connect, LOGIN, LOGOUT", 20, self.login, peer)
        c = Imap(servers.HOST, peer.ports["imap"], user(0), servers.PASSWORD)
        s.step("SELECT of %d messages, another program's Maildir" % n, 1,
               ask, "SELECT INBOX")
        s.step("SELECT", 20, ask, "SELECT INBOX")
        self.look(s, ask, both, n, some)
        self.change(s, ask, c, n, some)
        c.close()

    def login(self, i, peer):
        c = Imap(servers.HOST, peer.ports["imap"], user(0), servers.PASSWORD)
        c.ask("LOGOUT")
        c.close()

    def look(self, s, ask, both, n, some):
        s.step("NOOP", 1000, ask, "NOOP")
        s.step("FETCH 1:* (FLAGS)", 5, ask, "FETCH 1:* (FLAGS)")
        both("FETCH 1:* (UID INTERNALDATE RFC822.SIZE)", 3,
             "FETCH 1:* (UID INTERNALDATE RFC822.SIZE)")
        both("FETCH 1:* (ENVELOPE)", 3, "FETCH 1:* (ENVELOPE)")
        both("FETCH 1:* (BODYSTRUCTURE)", 3, "FETCH 1:* (BODYSTRUCTURE)")
        both("FETCH 1:* (8 header fields)", 3, "FETCH 1:* (%s)" % FIELDS)
        s.step("FETCH of one (ENVELOPE FLAGS)", some, ask,
               "FETCH {0} (ENVELOPE FLAGS)")
        s.step("SEARCH UNSEEN", 20, ask, "SEARCH UNSEEN")
        both("SEARCH SUBJECT", 3, "SEARCH SUBJECT attached")
        s.step("SEARCH SINCE", 5, ask, "SEARCH SINCE 1-Jan-2024")
        s.step("SEARCH BODY", 1, ask, "SEARCH BODY unfindable")
        s.step("FETCH of one (BODY.PEEK[])", some, ask,
               "FETCH {0} (BODY.PEEK[])")
        s.step("FETCH of one (BODY.PEEK[1])", some, ask,
               "FETCH {0} (BODY.PEEK[1])")
        s.step("FETCH 1:* (BODY.PEEK[])", 1, ask, "FETCH 1:* (BODY.PEEK[])")

    def change(self, s, ask, c, n, some):
        data = b"".join(b"Subject: appended\r\n" if i == 0 else
                        b"\r\n" if i == 1 else b"x" * 70 + b"\r\n"
                        for i in range(58))
        s.step("STORE of one, +FLAGS", some, ask,
               "STORE {0} +FLAGS (\\Flagged)")
        s.step("STORE 1:* +FLAGS.SILENT", 1, ask,
               "STORE 1:* +FLAGS.SILENT (\\Answered)")
        ask(0, "CREATE Archive")
        s.step("COPY of %d messages" % some, 1, ask,
               "COPY 1:%d Archive" % some)
        s.step("COPY of one", min(some, 100), ask, "COPY {0} Archive")
        s.step("STATUS", 100, ask, "STATUS Archive (MESSAGES UNSEEN UIDNEXT)")
        s.step("LIST", 100, ask, 'LIST "" "*"')
        s.step("APPEND, 4 KiB", max(10, n // 50),
               lambda i: c.append("INBOX", data))
        ask(0, "STORE 1:%d +FLAGS.SILENT (\\Deleted)" % (n // 2))
        s.step("EXPUNGE of %d messages" % (n // 2), 1, ask, "EXPUNGE")
        s.step("NOOP behind it", 1, ask, "NOOP")


class PopBox(Mailbox):
    def __init__(self, messages):
        super().__init__("pop3", messages)

    def open(self, peer):
        return Pop(servers.HOST, peer.ports["pop3"], user(0),
                   servers.PASSWORD)

    def login(self, i, peer):
        c = self.open(peer)
        c.ask("STAT")
        c.ask("QUIT")
        c.close()

    def steps(self, s, peer, n):
        some = max(1, n // 10)
        s.step("login, STAT, QUIT on %d messages, another program's Maildir"
               % n, 1, self.login, peer)
        s.step("login, STAT, QUIT", 20, self.login, peer)
        c = self.open(peer)
        s.step("UIDL", 3, lambda i: c.ask_text("UIDL"))
        s.step("LIST", 3, lambda i: c.ask_text("LIST"))
        s.step("TOP n 0", some, lambda i: c.ask_text("TOP %d 0" % (i + 1)))
        s.step("RETR", some, lambda i: c.ask_text("RETR %d" % (i + 1)))
        s.step("DELE", n // 2, lambda i: c.ask("DELE %d" % (i + 1)))
        s.step("QUIT, %d messages removed" % (n // 2), 1,
               lambda i: c.ask("QUIT"))
        c.close()


class IdleImap:
    """Clients that have selected a mailbox and wait for mail."""
    kind = report.MEMORY
    group = "idle"
    mode = "mailbox"
    messages = 100

    def __init__(self, sessions, tls):
        self.sessions, self.tls = sessions, tls
        self.users = max(1, sessions // 10)
        self.title = "%d IMAP sessions in IDLE on %d mailboxes%s" % (
            sessions, self.users, ", TLS" if tls else "")

    def suits(self, peer):
        return "mailbox" in peer.modes

    def session(self, peer, n):
        c = Imap(servers.HOST, peer.ports["imaps" if self.tls else "imap"],
                 user(n % self.users), servers.PASSWORD, self.tls)
        c.ask("SELECT INBOX")
        c.idle()
        return c

    def run(self, peer_class, env, counted):
        with env.scratch.place() as place:
            peer = peer_class(place, "mailbox", self.users)
            try:
                for n in range(self.users):
                    mail.fill_maildir(peer.maildir(n), self.messages,
                                      peer.mail_owner(), peer.line_end)
                    self.session(peer, n).close()
                return {self.title: load.cost_of_sessions(
                    peer, self.sessions, lambda n: self.session(peer, n))}
            finally:
                peer.cage.kill()
