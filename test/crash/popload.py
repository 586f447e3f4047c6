# SPDX-License-Identifier: Apache-2.0
"""A POP3 client: what its QUIT was told OK for is gone, all else is there,
and a UIDL never means another message."""
import imaplib
import poplib
import ssl

from ledger import digest, make, message_id, split

ERRORS = (OSError, EOFError, poplib.error_proto, imaplib.IMAP4.error)


class PopLoad:
    def __init__(self, s, user):
        self.s, self.user = s, user
        self.there = {}			# mid: digest
        self.gone, self.unsure = set(), set()
        self.names = {}			# UIDL: mid
        self.problems = []
        self.deleted = 0
        self.c = None
        s.i.add_account(user, "secret")

    def context(self):
        context = ssl.create_default_context(cafile=self.s.i.ca)
        context.check_hostname = False
        return context

    def fill(self, n):
        """Until there are n messages, by IMAP."""
        c = imaplib.IMAP4_SSL(self.s.i.host, self.s.i.ports["imaps"],
                              timeout=20, ssl_context=self.context())
        try:
            c.login(self.user, "secret")
            while len(self.there) < n:
                mid, raw = make(self.user, [self.user], 1500)
                if c.append("INBOX", None, None, raw)[0] == "OK":
                    self.there[mid] = digest(split(raw)[1])
        finally:
            c.shutdown()

    def connect(self):
        self.drop()
        self.c = poplib.POP3_SSL(self.s.i.host, self.s.i.ports["pop3s"],
                                 timeout=20, context=self.context())
        self.c.user(self.user)
        self.c.pass_("secret")

    def drop(self):
        if self.c is not None:
            self.c.close()
        self.c = None

    def names_now(self):
        """{number: mid} by UIDL; unknown ones are retrieved."""
        now = {}
        for line in self.c.uidl()[1]:
            number, uidl = line.split()
            now[int(number)] = self.names.get(uidl) or \
                self.names.setdefault(uidl, self.mid(int(number)))
        return now

    def mid(self, number):
        return message_id(b"\r\n".join(self.c.top(number, 0)[1]) + b"\r\n")

    def prepare(self):
        if len(self.there) < 5:
            self.fill(10)
        self.connect()
        self.now = self.names_now()

    def delete(self):
        """One in the middle; the session ends."""
        number = sorted(self.now)[len(self.now) // 2]
        mid = self.now[number]
        try:
            self.c.retr(1)
            self.c.dele(number)
            self.unsure.add(mid)
            self.c.quit()
            self.c = None
        except ERRORS:
            self.drop()
            return
        self.unsure.discard(mid)
        self.gone.add(mid)
        del self.there[mid]
        self.deleted += 1

    def look(self):
        """The whole mailbox against what we know."""
        self.connect()
        found = {}
        for number, uidl in (x.split() for x in self.c.uidl()[1]):
            raw = b"\r\n".join(self.c.retr(int(number))[1]) + b"\r\n"
            head, body = split(raw)
            mid = message_id(head)
            if self.names.setdefault(uidl, mid) != mid:
                self.problems.append("UIDL %s is another message" % uidl)
            found.setdefault(mid, []).append(digest(body))
        self.drop()
        for mid, sha in list(self.there.items()):
            if mid not in found and mid in self.unsure:
                del self.there[mid]
                self.gone.add(mid)
            elif found.get(mid) != [sha]:
                self.problems.append("%s is there as %r" % (
                    mid, found.get(mid)))
        self.unsure.clear()
        self.problems += ["%s came back" % m for m in found
                          if m in self.gone]

    def forgive(self):
        self.problems = []
        self.there = {m: x for m, x in self.there.items()
                      if m not in self.gone}
