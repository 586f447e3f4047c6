# SPDX-License-Identifier: Apache-2.0
"""What is done once while a system call fails.  An answer that refuses is
fine; a 250, an OK or exit code 0 must be true.

programs: whose calls are counted; one that prepare() leaves running and warm,
or one that act() runs with trace.before in front.
"""
import imaplib
import random
import smtplib
import time

from imapload import ImapLoad
from ledger import PEER, make
from load import submission
from popload import ERRORS, PopLoad
from system import Failed

IMAP_ERRORS = (OSError, imaplib.IMAP4.error, EOFError)


class Action:
    runs = ()			# programs that act() starts itself
    times = 3			# that act() can follow one prepare()

    def __init__(self, s):
        self.s = s

    def problems(self):
        """Besides what the ledger says."""
        return []

    def counts(self):
        """What it did that the ledger does not know."""
        return {}

    def nudge(self):
        """Acknowledged mail is missing: what would help in practice."""

    def forgive(self):
        """Each problem is told once."""

    def close(self):
        pass


class Mail(Action):
    def prepare(self):
        """Everybody is up, so that the same calls follow."""
        before = len(self.s.ledger.acked)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self.act(None)
            if len(self.s.ledger.acked) > before:
                self.s.drain(60)
                return
            time.sleep(0.1)
        raise Failed("the system takes no mail any more")

    def act(self, trace):
        to = self.to()
        mid, raw = make(self.s.sender, [to], 3000)
        self.s.ledger.begin(mid, raw)
        if self.send(to, raw, trace):
            self.s.ledger.ack(mid, [to])

    def send(self, to, raw, _):
        try:
            with smtplib.SMTP(self.s.i.host, self.s.i.ports["smtp"],
                              timeout=15) as c:
                c.sendmail(self.s.sender, [to], raw)
                return True
        except (smtplib.SMTPException, OSError):
            return False


class ToMaildir(Mail):
    programs = ("smtpd", "qmgr", "virtual")

    def to(self):
        return self.s.users[0]


class ToPeer(Mail):
    programs = ("smtpd", "qmgr", "smtp")

    def to(self):
        return "p%d@%s" % (random.randrange(10 ** 9), PEER)


class Submit(ToMaildir):
    programs = ("postdrop", "pickup")
    runs = ("postdrop",)

    def send(self, to, raw, trace):
        p = submission(self.s.i, self.s.sender, [to],
                       trace.before if trace else ())
        try:
            p.communicate(raw.replace(b"\r\n", b"\n"), 60)
        finally:
            p.kill()
        return p.returncode == 0

    def nudge(self):
        """The next submission wakes pickup up, which looks at all."""
        self.act(None)


class Imap(Action):
    programs = ("imapd",)

    def __init__(self, s):
        super().__init__(s)
        self.load = ImapLoad(s, s.sender)
        self.c = None

    def connected(self):
        for _ in range(100):
            try:
                if self.c is None:
                    self.c = self.load.connect()
                self.c.noop()
                return
            except IMAP_ERRORS:
                self.close()
                time.sleep(0.1)
        raise Failed("no IMAP session to be had")

    def close(self):
        self.load.drop(self.c)
        self.c = None

    def quietly(self, fn):
        try:
            self.c.sock.settimeout(15)
            fn(self.c)
        except IMAP_ERRORS + (AttributeError,):
            self.close()

    def prepare(self):
        self.connected()
        self.quietly(self.load.append)
        self.connected()

    def problems(self):
        self.connected()
        try:
            self.load.read(self.c)
        except IMAP_ERRORS as e:
            self.load.problems.append("reading: %r" % e)
        return self.load.problems

    def counts(self):
        return self.load.counts()

    def forgive(self):
        self.close()
        self.load.forgive()


class Append(Imap):
    def act(self, _):
        self.quietly(self.load.append)


class Expunge(Imap):
    def act(self, _):
        self.quietly(self.load.expunge)


class Pop(Action):
    """DELE and QUIT; the session that prepare() began ends with it."""
    times = 1
    programs = ("popd",)

    def __init__(self, s):
        super().__init__(s)
        self.load = PopLoad(s, "popper@a.ph.example")

    def prepare(self):
        self.again(self.load.prepare)

    def again(self, fn):
        """Daemons may still be dying of the last fault."""
        for _ in range(100):
            try:
                return fn()
            except ERRORS as e:
                why = e
                self.load.drop()
                time.sleep(0.1)
        raise Failed("no POP3 session to be had: %r" % why)

    def act(self, _):
        self.load.delete()

    def problems(self):
        self.again(self.load.look)
        return self.load.problems

    def counts(self):
        return {"deleted": self.load.deleted}

    def forgive(self):
        self.load.forgive()

    def close(self):
        self.load.drop()


ACTIONS = {"to_maildir": ToMaildir, "to_peer": ToPeer, "submit": Submit,
           "append": Append, "expunge": Expunge, "pop": Pop}
