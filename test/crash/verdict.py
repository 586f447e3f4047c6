# SPDX-License-Identifier: Apache-2.0
"""The ledger against what arrived."""


class Verdict:
    def __init__(self, ledger, arrived, book, late):
        self.ledger, self.arrived = ledger, arrived
        self.book, self.late = book, late
        self.acked = len(ledger.acked)
        self.messages = ledger.messages
        self.lost, self.altered = [], list(arrived.empty)
        self.duplicates, self.unexplained = 0, []
        self.in_flight = self.notified = 0
        book.read()
        self.find_lost()
        for key, copies in sorted(arrived.copies.items()):
            if any(c.sha != ledger.sent.get(key[0]) for c in copies):
                self.altered.append(key)
            self.judge_copies(key, copies)

    def find_lost(self):
        for key, when in self.ledger.acked.items():
            if key in self.arrived.copies:
                continue
            if key in self.arrived.notices:
                self.notified += 1
                continue
            near = min((e.time for e in self.book.events),
                       key=lambda t: abs(t - when), default=0)
            self.lost.append(key + ("%+.3f s" % (when - near),))

    def judge_copies(self, key, copies):
        """Each queue file has delivered once, or as often again as it was in
        flight; and a submission is one queue file, or as many more as it was
        in flight on its way from maildrop/."""
        mid, recipient = key
        self.duplicates += len(copies) - 1
        qids = sorted({c.qid for c in copies},
                      key=lambda q: self.book.seen.get(q, 0))
        for a, b in zip(qids, qids[1:]):
            if self.book.resubmitted_at(a, b, self.late) is None:
                self.unexplained.append((mid, recipient, "queued twice", a,
                                         b))
        for qid in qids:
            times = sorted(c.when for c in copies if c.qid == qid)
            event, flew = None, False
            for n, t in enumerate(times):
                again = times[n + 1] if n + 1 < len(times) else None
                event = self.book.in_flight_at(qid, recipient, t, again,
                                               self.late, event)
                flew = flew or event is not None
                if event is None:
                    if n < len(times) - 1:
                        self.unexplained.append((mid, recipient) +
                            self.story(qid, recipient, times))
                    break
            self.in_flight += flew

    def story(self, qid, recipient, times):
        """All that was noted of it, in seconds after the first copy."""
        book, zero = self.book, times[0]
        told = [(t, "copy") for t in times]
        told += [(book.when(p), "sent")
                 for p in book.sent.get((qid, recipient), ())]
        told += [(book.when(p), "active") for p in book.active.get(qid, ())]
        told += [(book.when(p), what) for p, what in (
            (book.seen.get(qid), "seen"), (book.removed.get(qid), "removed"))
                 if p is not None]
        told += [(e.time, "KILL " + e.what) for e in book.events
                 if times[0] - 3 < e.time < times[-1] + 1]
        return (qid,) + tuple("%+.3f %s" % (t - zero, what)
                              for t, what in sorted(told))

    def bad(self):
        return bool(self.lost or self.altered or self.unexplained)

    def counts(self):
        return {"messages": self.messages, "acknowledged": self.acked,
                "lost": len(self.lost), "altered": len(self.altered),
                "notified": self.notified, "duplicates": self.duplicates,
                "unexplained": len(self.unexplained)}

    def line(self):
        return ("%d messages, %d recipients acknowledged: %d lost, "
                "%d altered, %d notified, %d duplicates (%d in flight; "
                "%d unexplained)" % (
                    self.messages, self.acked, len(self.lost),
                    len(self.altered), self.notified, self.duplicates,
                    self.in_flight, len(self.unexplained)))

    def details(self):
        return "".join("  %s: %s\n" % (name, entry)
                       for name in ("lost", "altered", "unexplained")
                       for entry in getattr(self, name)[:5])
