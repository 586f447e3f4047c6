# SPDX-License-Identifier: Apache-2.0
"""`posthouse reload` under load drops no session and refuses nobody."""
import threading

from peers import held_up
from scenario import (Raw, check, equal, imap, message, pop, send, smtp,
                      wait_for, wait_inbox)


class Sender(threading.Thread):
    def __init__(self, i, to):
        super().__init__(daemon=True)
        self.i, self.to = i, to
        self.sent, self.error, self.stop = 0, None, False

    def run(self):
        try:
            while not self.stop:
                with smtp(self.i) as c:
                    for _ in range(5):
                        c.sendmail("x@elsewhere.test", [self.to],
                                   message("x@elsewhere.test", [self.to]))
                        self.sent += 1
        except Exception as e:  # noqa: BLE001
            self.error = e


def test_no_session_is_dropped(s):
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    senders = [Sender(i, alice) for _ in range(4)]
    for t in senders:
        t.start()
    # Sessions in the middle of something.
    half = Raw(i)
    half.begin_data(bob)
    half.put(b"Subject: half\r\n\r\nfirst line\r\n")
    m = imap(i, bob)
    m.select("INBOX")
    p = pop(i, bob)
    for n in range(5):
        i.posthouse("reload")
        wait_for("reload %d in the log" % (n + 1), lambda: i.log_text()
                 .count("reload -- version") >= n + 1, 30)
        before = sum(t.sent for t in senders)
        wait_for("progress after reload %d" % (n + 1),
                 lambda: sum(t.sent for t in senders) > before + 20, 60)
        equal(m.noop()[0], "OK", "NOOP in the IMAP session")
        check(p.noop().startswith(b"+OK"), "NOOP in the POP3 session")
    half.put(b"second line\r\n.\r\n")
    code, text = half.reply()
    equal(code, 250, "end of the message begun before the reloads: " + text)
    equal(half.ask(b"QUIT")[0], 221, "QUIT")
    for t in senders:
        t.stop = True
    for t in senders:
        t.join(60)
        equal(t.error, None, "a sender's error")
    total = sum(t.sent for t in senders)
    wait_inbox(i, alice, total, 120)
    wait_inbox(i, bob, 1)
    p.quit()
    m.logout()


def test_new_parameters_take_effect(s):
    i = s.posthouse()
    c = smtp(i)
    c.ehlo("x.test")
    i.main["message_size_limit"] = "12345"
    i.write_config(i.tls + "/chain.pem")
    i.posthouse("reload")

    def fresh():
        with smtp(i) as d:
            d.ehlo("x.test")
            return d.esmtp_features.get("size") == "12345"
    wait_for("the new limit", fresh, 30)
    equal(c.noop()[0], 250, "the old session")
    c.quit()


def test_bad_configuration_is_refused(s):
    """Reload with nonsense keeps the old configuration, and says where."""
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    # All daemons have started, and with the good one.
    send(i, alice, bob, service="submission")
    wait_inbox(i, bob, 1)
    i.put("main.cf", open(i.config + "/main.cf").read() +
          "maximal_backoff_time = soon\n")
    try:
        i.posthouse("check")
    except Exception as e:  # noqa: BLE001
        check("maximal_backoff_time" in str(e), str(e))
        check("main.cf" in str(e) and "line" in str(e), str(e))
    else:
        check(False, "`posthouse check` accepted nonsense")
    try:
        i.posthouse("reload")
    except Exception as e:  # noqa: BLE001
        check("maximal_backoff_time" in str(e) and "not reloaded" in str(e),
              str(e))
    else:
        check(False, "`posthouse reload` accepted nonsense")
    send(i, alice, bob, service="submission")
    wait_inbox(i, bob, 2)
    check("reload -- " not in i.log_text(), "master has reloaded")


def test_reload_during_a_slow_delivery(s):
    """The queue manager that ends hears of its delivery; the new one leaves
    that message alone and serves the others meanwhile."""
    i, slow = held_up(s)
    alice, bob = (a["user"] for a in i.accounts)
    send(i, alice, "x@far.ph.example", service="submission")
    wait_for("the slow server", lambda: slow.received, 30)
    for n in range(3):
        i.posthouse("reload")
        wait_for("reload %d" % (n + 1), lambda: i.log_text()
                 .count("reload -- version") >= n + 1, 30)
        send(i, alice, bob, service="submission")
        wait_inbox(i, bob, n + 1, 20)
    equal(len(slow.received), 1, "attempts at the slow server")
    slow.release.set()
    i.wait_queue_empty(30)
    equal(len(slow.received), 1, "deliveries to the slow server")
    check("status=sent (250 2.0.0 Ok)" in i.log_text(), "log")
