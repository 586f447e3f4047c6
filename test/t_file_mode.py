# SPDX-License-Identifier: Apache-2.0
"""`queue_sync = file`: what must hold in the journal's absence as well."""
import os
import re

import t_kill
import t_reload
import t_retry
import t_tools
from scenario import equal


class FileMode:
    """A scenario whose instances keep no journal."""

    def __init__(self, s):
        self.s, self.instances = s, []

    def __getattr__(self, name):
        return getattr(self.s, name)

    def posthouse(self, *args, main=None, **kw):
        i = self.s.posthouse(*args, main={**(main or {}),
                                          "queue_sync": "file"}, **kw)
        self.instances.append(i)
        return i


def run(test, s):
    f = FileMode(s)
    test(f)
    for i in f.instances:
        names = os.listdir(os.path.join(i.queue, "journal"))
        equal([n for n in names if re.fullmatch(r"\w{10}z\w+|free.*", n)],
              [], "segments")


def test_nothing_acknowledged_is_lost(s):
    run(t_kill.test_nothing_acknowledged_is_lost, s)


def test_no_second_agent_after_a_kill_of_qmgr(s):
    run(t_kill.test_no_second_agent_after_a_kill_of_qmgr, s)


def test_reload_during_a_slow_delivery(s):
    run(t_reload.test_reload_during_a_slow_delivery, s)


def test_waits_says_why_and_goes_out(s):
    run(t_retry.test_waits_says_why_and_goes_out, s)


def test_state_survives_a_restart(s):
    run(t_retry.test_state_survives_a_restart, s)


def test_postsuper(s):
    run(t_tools.test_postsuper, s)


def test_postsuper_works_while_the_system_is_down(s):
    run(t_tools.test_postsuper_works_while_the_system_is_down, s)
