# SPDX-License-Identifier: Apache-2.0
"""Clients that send mail until they are told to stop, by SMTP and by the
sendmail command."""
import collections
import os
import random
import smtplib
import subprocess
import threading

from ledger import PEER, make


class Client(threading.Thread):
    """Sends whatever happens to the server.  answers counts what it said
    instead of 250; dropped, how often it said nothing."""

    def __init__(self, system, seed):
        super().__init__(daemon=True)
        self.s = system
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.answers = collections.Counter()
        self.dropped = 0
        self.limit = None
        self.resting = False

    def recipients(self):
        r = self.random
        n = 1 if r.random() < 0.7 else r.randint(2, self.s.most_recipients)
        local = [r.choice(self.s.users) for _ in range(n)]
        out = set(x for x in local if r.random() < 0.5)
        while len(out) < n and len(out) < len(self.s.users) + n:
            kind = r.random()
            name = "bad" if kind < 0.05 else \
                "later" if kind < 0.08 else "p"
            out.add("%s%d@%s" % (name, r.randrange(10 ** 9), PEER))
        return sorted(out)

    def size(self):
        r = self.random.random()
        if r < 0.85:
            return self.random.randint(200, 6000)
        if r < 0.99:
            return self.random.randint(6000, 100000)
        return self.random.randint(100000, self.s.largest)

    def run(self):
        n = 0
        while not self.stopping.is_set() and n != self.limit:
            if not self.s.may_send.is_set():
                self.rest()
                continue
            to = self.recipients()
            mid, raw = make(self.s.sender, to, self.size())
            self.s.ledger.begin(mid, raw)
            taken = self.send(to, raw)
            if taken:
                self.s.ledger.ack(mid, taken)
                n += 1
            else:
                self.stopping.wait(0.05)
            if self.pace():
                self.stopping.wait(self.pace())


    def rest(self):
        self.hang_up()
        self.resting = True
        self.s.may_send.wait()
        self.resting = False

    def hang_up(self):
        pass


def said(answer):
    code, text = answer
    return code, text.decode(errors="replace")[:70]


class Injector(Client):
    """By SMTP, over one connection as long as it lasts."""

    c = None

    def pace(self):
        return self.s.pace

    def send(self, to, raw):
        """The recipients that are ours from now on."""
        try:
            if self.c is None:
                self.c = smtplib.SMTP(self.s.i.host, self.s.i.ports["smtp"],
                                      timeout=30)
            refused = self.c.sendmail(self.s.sender, to, raw)
            self.answers.update(said(x) for x in refused.values())
            return [x for x in to if x not in refused]
        except smtplib.SMTPRecipientsRefused as e:
            self.answers.update(said(x) for x in e.recipients.values())
        except smtplib.SMTPResponseException as e:
            self.answers[said((e.smtp_code, e.smtp_error))] += 1
        except (smtplib.SMTPException, OSError):
            self.dropped += 1
        self.hang_up()
        return []

    def hang_up(self):
        if self.c is not None:
            self.c.close()
        self.c = None


def submission(i, sender, to, before=()):
    """The sendmail command, run by the program `before` if there is one."""
    return subprocess.Popen(
        list(before) + [i.tool("sendmail"), "-i", "-f", sender] + to,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(os.environ, MAIL_CONFIG=i.config))


class Submitter(Client):
    """By sendmail: what it took, it says with exit code 0."""

    def pace(self):
        return max(0.1, 20 * self.s.pace)

    def send(self, to, raw):
        with self.s.birth:
            p = submission(self.s.i, self.s.sender, to)
        err = p.communicate(raw.replace(b"\r\n", b"\n"))[1]
        if p.returncode == 0:
            return to
        if p.returncode > 0:
            self.answers[p.returncode, err.decode()[:70]] += 1
        else:
            self.dropped += 1
        return []
