# SPDX-License-Identifier: Apache-2.0
"""The bench harness works, on counts too small to mean anything."""
import json
import math
import os
import subprocess
import sys

from scenario import SLOW, Skip, check, equal

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     os.pardir, "bench")
MAIL = ("smoke: reception", "smoke: reception, TLS", "smoke: relay",
        "smoke: local")
DEFERRED = "start with 50 deferred messages"
IMAP_IDLE = "20 IMAP sessions in IDLE on 2 mailboxes, TLS"
# One step of each sort, and the figure that has to be there.
EXPECTED = {
    "mail": {t: "per_second" for t in MAIL},
    "queue": {DEFERRED: "start_s"},
    "memory": {"50 open SMTP sessions": "kib_per_session",
               IMAP_IDLE: "open_cpu_ms"},
    "operation": {t: "ms" for t in (
        "IMAP: SELECT", "IMAP: FETCH 1:* (ENVELOPE), first time",
        "IMAP: APPEND, 4 KiB", "IMAP: EXPUNGE of 25 messages",
        "POP3: UIDL", "POP3: RETR")},
}
# Of something that has happened: above zero.
COUNTED = ("per_second", "start_s")
# Who does not do everything.
NOT = {
    "bound": set(EXPECTED["operation"]) | {
        "smoke: relay", "smoke: local", DEFERRED, "50 open SMTP sessions",
        IMAP_IDLE},
    "postfix": set(EXPECTED["operation"]) | {IMAP_IDLE},
    "dovecot": set(MAIL) | {DEFERRED, "50 open SMTP sessions"},
}


def run(s, peers):
    """Results of a run: kind -> title -> peer -> rounds."""
    r = subprocess.run(
        [sys.executable, os.path.join(BENCH, "run"), "--peers", peers,
         "--rounds", "1", "--cases", "smoke", "--out", s.dir],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300 * SLOW)
    text = r.stderr.decode(errors="replace")
    equal(r.returncode, 0, "exit code of bench/run (%s)" % text[-1500:])
    with open(os.path.join(s.dir, "results.json")) as f:
        return json.load(f)["rounds"]


def need_namespaces():
    if os.geteuid() != 0:
        raise Skip("bench/run needs root (namespaces)")
    if not os.environ.get("BENCH_TOOLS"):
        raise Skip("BENCH_TOOLS is not set")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no namespaces here")


def check_figures(rounds, peers):
    for kind, titles in EXPECTED.items():
        for title, key in titles.items():
            for peer in peers:
                if title in NOT.get(peer, ()):
                    continue
                by = rounds[kind].get(title, {})
                check(peer in by, "%s was not asked: %s" % (peer, title))
                figure = by[peer][0][key]
                # Differences of so few sessions may come out either way.
                check(math.isfinite(figure) and
                      (figure > 0 or key not in COUNTED),
                      "%s: %s: %s is %r" % (peer, title, key, figure))


def test_small_counts(s):
    need_namespaces()
    rounds = run(s, "posthouse,bound")
    check_figures(rounds, ["posthouse", "bound"])
    for name in ("results.md", "mail.svg", "queue.svg", "memory.svg",
                 "operation.svg"):
        check(os.path.getsize(os.path.join(s.dir, name)) > 500,
              name + " is empty")


def test_peers(s):
    """Postfix and Dovecot can be measured, if their packages can be had."""
    need_namespaces()
    if os.environ.get("CI"):
        raise Skip("other people's programs, from the network: not in CI")
    sys.path.append(os.path.join(BENCH, "lib"))
    import debian
    try:
        debian.root()
    except Exception as e:  # noqa: BLE001 - whatever keeps apt from it
        raise Skip("no packages of Postfix and Dovecot: %s" % str(e)[:100])
    check_figures(run(s, "postfix,dovecot"), ["postfix", "dovecot"])
