# SPDX-License-Identifier: Apache-2.0
"""local(8): system users, aliases, .forward, commands, loops."""
import os

from accounts import system_user
from scenario import (check, delivery_status, equal, message, parse, send,
                      smtp, wait_for, wait_inbox)


def maildir(path):
    out = []
    for sub in ("new", "cur"):
        d = os.path.join(path, sub)
        if os.path.isdir(d):
            for f in os.listdir(d):
                try:
                    with open(os.path.join(d, f), "rb") as fh:
                        out.append((os.path.join(d, f), fh.read()))
                except FileNotFoundError:
                    pass        # on its way from new/ to cur/
    return out


def wait_maildir(path, n, timeout=60):
    return wait_for("%d messages in %s" % (n, path), lambda: (
        lambda m: m if len(m) >= n else None)(maildir(path)), timeout)


def system(s, aliases="", **main):
    conf = {"home_mailbox": "Maildir/"}
    conf.update(main)
    i = s.posthouse(start=False, main=conf)
    i.put("aliases", aliases)
    i.start()
    return i


def put_as(u, name, text, mode=0o644):
    path = os.path.join(u.pw_dir, name)
    with open(path, "w") as f:
        f.write(text)
    os.chown(path, u.pw_uid, u.pw_gid)
    os.chmod(path, mode)
    return path


def to(i, name):
    return "%s@%s" % (name, i.myhostname)


def test_system_user(s):
    u = system_user()
    i = system(s)
    send(i, "x@elsewhere.test", to(i, u.pw_name))
    path, raw = wait_maildir(u.pw_dir + "/Maildir", 1)[0]
    equal(os.stat(path).st_uid, u.pw_uid, "owner of the message")
    check(raw.startswith(b"Return-Path: <x@elsewhere.test>\r\n"),
          repr(raw[:100]))
    check(b"\r\nDelivered-To: %s\r\n" % to(i, u.pw_name).encode() in raw,
          "Delivered-To")
    wait_for("log", lambda: "relay=local, " in i.log_text() and
             "status=sent (delivered to maildir)" in i.log_text(), 10)


def test_aliases(s):
    u = system_user()
    i = system(s, "team %s, alice@a.ph.example\nboss team\n"
               "filed \"|cat > %s/command-out\"\n" % (u.pw_name, s.dir))
    send(i, "x@elsewhere.test", to(i, "boss"))
    wait_maildir(u.pw_dir + "/Maildir", 1)
    wait_inbox(i, "alice@a.ph.example", 1)
    wait_for("log", lambda: "forwarded as" in i.log_text(), 10)


def test_include_and_command(s):
    u = system_user()
    out = os.path.join(u.pw_dir, "out")
    i = system(s, "list :include:%s/members\n"
               "pipe \"|/bin/cat > %s; /bin/echo $EXTENSION >> %s\"\n"
               % (s.dir, out, out), recipient_delimiter="+",
               default_privs=u.pw_name)
    with open(os.path.join(s.dir, "members"), "w") as f:
        f.write("# members\n%s\nalice@a.ph.example\n" % u.pw_name)
    send(i, "x@elsewhere.test", to(i, "list"))
    wait_maildir(u.pw_dir + "/Maildir", 1)
    wait_inbox(i, "alice@a.ph.example", 1)
    send(i, "x@elsewhere.test", to(i, "pipe+ext"))
    wait_for("the command's file", lambda: os.path.exists(out) and
             open(out).read().endswith("ext\n"), 30)
    equal(os.stat(out).st_uid, u.pw_uid, "whom the command ran as")
    wait_for("log", lambda: "status=sent (delivered to command:" in
             i.log_text(), 10)


def test_dot_forward(s):
    u = system_user()
    i = system(s)
    put_as(u, ".forward", "alice@a.ph.example, \\%s\n" % u.pw_name)
    send(i, "x@elsewhere.test", to(i, u.pw_name))
    raw = wait_inbox(i, "alice@a.ph.example", 1)[0]
    equal(parse(raw)["Return-Path"], "<x@elsewhere.test>", "sender")
    wait_maildir(u.pw_dir + "/Maildir", 1)


def test_command_fails(s):
    u = system_user()
    i = system(s)
    put_as(u, ".forward", "\"|echo no such thing; exit 67\"\n")
    send(i, "alice@a.ph.example", to(i, u.pw_name))
    _, _, rcpts = delivery_status(wait_inbox(i, "alice@a.ph.example", 1)[0])
    equal(rcpts[0]["Status"], "5.1.1", "Status")
    check("no such thing" in rcpts[0]["Diagnostic-Code"],
          rcpts[0]["Diagnostic-Code"])


def test_loop(s):
    u = system_user()
    i = system(s)
    put_as(u, ".forward", "back@%s\n" % i.myhostname)
    with open(os.path.join(i.config, "aliases"), "w") as f:
        f.write("back %s@%s\n" % (u.pw_name, i.domains[0]))
    # A message that has been here before.
    data = b"Delivered-To: " + to(i, u.pw_name).encode() + b"\r\n" + message(
        "alice@a.ph.example", [to(i, u.pw_name)])
    send(i, "alice@a.ph.example", to(i, u.pw_name), data)
    _, _, rcpts = delivery_status(wait_inbox(i, "alice@a.ph.example", 1)[0])
    equal(rcpts[0]["Status"], "5.4.6", "Status")
    check("mail forwarding loop" in rcpts[0]["Diagnostic-Code"],
          rcpts[0]["Diagnostic-Code"])


def test_unknown_user(s):
    i = system(s)
    with smtp(i) as c:
        c.ehlo("x.test")
        c.mail("x@elsewhere.test")
        code, text = c.rcpt(to(i, "nobody-here"))
        equal(code, 550, repr(text))
        check(b"User unknown in local recipient table" in text, repr(text))


def test_virtual_alias_domain(s):
    i = s.posthouse(main={
        "virtual_alias_domains": "alias.test",
        "virtual_alias_maps": "inline:{ { both@alias.test = "
        "alice@a.ph.example, bob@a.ph.example }, "
        "{ @a.alias.test = alice@a.ph.example } }"})
    send(i, "x@elsewhere.test", "both@alias.test")
    for u in ("alice", "bob"):
        raw = wait_inbox(i, u + "@a.ph.example", 1)[0]
        equal(parse(raw)["X-Original-To"], "both@alias.test",
              "X-Original-To")
    wait_for("log", lambda: "orig_to=<both@alias.test>" in i.log_text(), 10)


def test_changed_account_counts_at_once(s):
    """What virtual(8) remembers of an account goes with the database."""
    i = s.posthouse()
    alice = i.accounts[0]["user"]
    send(i, "x@elsewhere.test", alice)
    wait_inbox(i, alice, 1)
    for n in range(3):
        path = os.path.join(i.mail, "moved%d" % n, "Maildir")
        i.posthouse("user", "modify", alice, "--mailbox", path)
        send(i, "x@elsewhere.test", alice)
        wait_maildir(path, 1)
        equal(len(maildir(path)), 1, "messages in %s" % path)
