# SPDX-License-Identifier: Apache-2.0
"""What is measured: the one list of all cases."""
from boxcases import IdleImap, ImapBox, PopBox
from queuecases import Deferred
from smtpcases import Few, Idle, Mail

GROUPS = ("reception", "tls", "relay", "local", "imap", "pop3", "queue",
          "idle")


def reception(seconds, mix):
    def case(title, *options, group="reception"):
        return Mail(group, "reception, " + title, "discard", seconds, options)
    return [
        case("4 KiB, 1 session", "-s", 1),
        case("4 KiB, 20 sessions", "-s", 20),
        case("4 KiB, 200 sessions", "-s", 200),
        case("4 KiB, 1000 sessions", "-s", 1000),
        case("4 KiB, 20 sessions, 1 per connection", "-s", 20, "-k", 1),
        case("4 KiB, 200 sessions, 1 per connection", "-s", 200, "-k", 1),
        case("64 KiB, 20 sessions", "-s", 20, "-l", 65536),
        case("mail mix, 20 sessions", "-s", 20, "-D", mix),
        case("4 KiB, TLS, 20 sessions", "-s", 20, "-T", group="tls"),
        case("4 KiB, TLS, 20 sessions, 1 per connection", "-s", 20, "-k", 1,
             "-T", group="tls"),
    ]


def delivery(seconds):
    return [
        Mail("relay", "relay to a sink, 4 KiB, 20 sessions", "relay",
             seconds, ("-s", 20, "-t", "user%d@far.test", "-u", 1)),
        Mail("relay", "fan-out to 500 recipients in 50 domains", "relay",
             seconds, ("-s", 4, "-r", 500, "-d", "far%d.test", "-n", 50)),
        Mail("local", "local delivery, 1 user", "local", seconds,
             ("-s", 20, "-u", 1)),
        Mail("local", "local delivery, 100 users", "local", seconds,
             ("-s", 20, "-u", 100), 100),
    ]


def all_cases(scale, mix):
    def n(count, least=50):
        return max(least, int(count * scale))
    seconds = max(0.2, 4 * scale)
    cases = reception(seconds, mix) + delivery(seconds)
    cases += [ImapBox(n(10000)), PopBox(n(10000)), Deferred(n(20000))]
    if scale >= 1:
        cases.append(Deferred(n(500000)))
    sessions = n(1000)
    return cases + [Idle(sessions), IdleImap(sessions, False),
                    IdleImap(sessions, True)]


def smoke(mix):
    """One small case of each sort, for test/t_bench.py."""
    return [
        Few("smoke", "smoke: reception", "discard", 60,
            ("-s", 5, "-D", mix)),
        Few("smoke", "smoke: reception, TLS", "discard", 60,
            ("-s", 5, "-k", 5, "-T")),
        Few("smoke", "smoke: relay", "relay", 60,
            ("-s", 5, "-t", "user%d@far.test")),
        Few("smoke", "smoke: local", "local", 60, ("-s", 5, "-u", 2), 2),
        ImapBox(50), PopBox(50), Deferred(50), Idle(50), IdleImap(20, True),
    ]
