# SPDX-License-Identifier: Apache-2.0
"""IMAP as clients use it, through login and imapd, on a real mailbox."""
import glob
import os
import re

from scenario import (CORPUS, Raw, Skip, check, equal, filled, imap, inbox,
                      message, pop, send, wait_inbox)


def ok(reply, what):
    equal(reply[0], "OK", "%s: %r" % (what, reply))
    return reply[1]


def test_capabilities_are_true(s):
    i = s.posthouse()
    r = Raw(i, "imap")
    greeting = r.line()
    check(b"STARTTLS" in greeting and b"LOGINDISABLED" in greeting or
          i.host.startswith("127."), repr(greeting))
    r.close()
    c = imap(i, i.accounts[0]["user"])
    caps = ok(c.capability(), "CAPABILITY")[0].decode().split()
    for want in ("IMAP4rev1", "LITERAL+", "IDLE", "NAMESPACE", "ID",
                 "UIDPLUS", "MOVE", "UNSELECT", "SPECIAL-USE", "ENABLE"):
        check(want in caps, "%s is not in %r" % (want, caps))
    ok(c.xatom("ID", '("name" "test")'), "ID")
    ok(c.namespace(), "NAMESPACE")
    ok(c.enable("NOTHING"), "ENABLE")
    c.logout()


def test_mailboxes(s):
    i = s.posthouse()
    c = imap(i, i.accounts[0]["user"])
    names = ok(c.list(), "LIST")
    sep = re.match(rb'\([^)]*\) "(.)"', names[0]).group(1).decode()
    box = sep.join(["Work", "2026", "Grüße".encode("utf-7").decode()
                    .replace("+", "&")])
    ok(c.create(box), "CREATE")
    equal(c.create(box)[0], "NO", "CREATE of what is there")
    ok(c.subscribe(box), "SUBSCRIBE")
    check(any(box.encode() in x for x in ok(c.lsub(), "LSUB")), "LSUB")
    listed = b"\n".join(ok(c.list('""', '"Work*"'), "LIST"))
    check(b"Work" in listed and box.encode() in listed, repr(listed))
    ok(c.append(box, r"(\Seen)", None, message("a@x", ["b@x"])), "APPEND")
    ok(c.rename("Work", "Play"), "RENAME")
    moved = box.replace("Work", "Play")
    equal(ok(c.status(moved, "(MESSAGES UNSEEN)"), "STATUS")[0].split(b"(")
          [-1], b"MESSAGES 1 UNSEEN 0)", "STATUS after RENAME")
    equal(c.status(box, "(MESSAGES)")[0], "NO", "STATUS of the old name")
    ok(c.delete(moved), "DELETE")
    equal(c.select(moved)[0], "NO", "SELECT of what is gone")
    equal(c.delete("INBOX")[0], "NO", "DELETE INBOX")
    typ, data = c._simple_command("LIST", '(SPECIAL-USE)', '""', '"*"')
    check(typ in ("OK", "BAD"), repr(data))
    c.logout()


def test_flags_and_expunge(s):
    i, user = filled(s, 5)
    a, b = imap(i, user), imap(i, user)
    ok(a.select("INBOX"), "SELECT")
    ok(b.select("INBOX"), "SELECT")
    ok(a.store("1:3", "+FLAGS", r"(\Seen $Label1)"), "STORE")
    ok(a.store("2", "FLAGS.SILENT", r"(\Deleted)"), "STORE")
    ok(b.noop(), "NOOP")
    seen = b.response("FETCH")[1]
    check(seen and any(b"$Label1" in x for x in seen if x),
          "flags in another session: %r" % seen)
    equal(ok(a.search(None, "KEYWORD", "$Label1"), "SEARCH")[0], b"1 3",
          "SEARCH KEYWORD")
    ok(a.store("4", "+FLAGS", r"(\Deleted)"), "STORE")
    uids = ok(a.uid("SEARCH", "DELETED"), "UID SEARCH")[0].split()
    equal(len(uids), 2, "deleted messages")
    ok(a.uid("EXPUNGE", uids[0].decode()), "UID EXPUNGE")
    # b must not lose a message in the middle of a FETCH.
    data = ok(b.fetch("1:5", "(FLAGS UID)"), "FETCH")
    equal(len({x.split()[0] for x in data}), 5,
          "messages of b before it may hear of it")
    ok(b.noop(), "NOOP")
    equal(b.response("EXPUNGE")[1], [b"2"], "EXPUNGE in b")
    equal(ok(b.search(None, "ALL"), "SEARCH")[0], b"1 2 3 4", "SEARCH ALL")
    ok(a.expunge(), "EXPUNGE")
    ok(a.close(), "CLOSE")
    equal(len(inbox(i, user)), 3, "messages left")
    a.logout()
    b.logout()


def test_copy_move_append(s):
    i = s.posthouse()
    user = i.accounts[0]["user"]
    c = imap(i, user)
    ok(c.create("Target"), "CREATE")
    data = message("a@x", ["b@x"])
    typ, d = c.append("INBOX", r"(\Flagged kw)",
                      '"01-Feb-2020 10:11:12 +0100"', data)
    check(b"APPENDUID" in d[0], repr(d))
    ok(c.select("INBOX"), "SELECT")
    got = ok(c.fetch("1", "(INTERNALDATE FLAGS BODY.PEEK[])"), "FETCH")
    check(b'INTERNALDATE "01-Feb-2020 10:11:12 +0100"' in got[0][0] or
          b'INTERNALDATE "01-Feb-2020 09:11:12 +0000"' in got[0][0],
          repr(got[0][0]))
    check(rb"\Flagged" in got[0][0] and b"kw" in got[0][0],
          repr(got[0][0]))
    equal(got[0][1], data, "the appended message")
    typ, d = c.copy("1", "Target")
    check(b"COPYUID" in d[0], repr(d))
    equal(c.copy("1", "Nowhere")[0], "NO", "COPY to nowhere")
    typ, d = c.uid("MOVE", "1:*", "Target")
    equal(typ, "OK", "MOVE")
    equal(ok(c.search(None, "ALL"), "SEARCH")[0], b"", "INBOX after MOVE")
    ok(c.select("Target"), "SELECT")
    both = ok(c.fetch("1:2", "(FLAGS BODY.PEEK[])"), "FETCH")
    for part in [x for x in both if isinstance(x, tuple)]:
        equal(part[1], data, "a copied message")
        check(rb"\Flagged" in part[0], repr(part[0]))
    ok(c.unselect(), "UNSELECT")
    c.logout()


def test_fetch_parts(s):
    i = s.posthouse()
    user = i.accounts[0]["user"]
    data = (b"From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\n"
            b"To: a@x.test, \"B, C\" <bc@x.test>\r\n"
            b"Subject: parts\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            b"Message-ID: <p@x>\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
            b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
            b"Subject: inner\r\nContent-Type: text/html\r\n\r\n<p>x\r\n"
            b"--b\r\nContent-Type: application/octet-stream; name=f.bin\r\n"
            b"Content-Transfer-Encoding: base64\r\n"
            b"Content-Disposition: attachment; filename=f.bin\r\n\r\n"
            b"AAEC\r\n--b--\r\n")
    c = imap(i, user)
    ok(c.append("INBOX", None, None, data), "APPEND")
    ok(c.select("INBOX", readonly=True), "EXAMINE")

    def part(item):
        return [x for x in ok(c.fetch("1", "(%s)" % item), item)
                if isinstance(x, tuple)][0][1]
    equal(part("BODY[1]"), b"one", "BODY[1]")
    equal(part("BODY[1.MIME]"), b"Content-Type: text/plain\r\n\r\n",
          "BODY[1.MIME]")
    equal(part("BODY[2.HEADER]"),
          b"Subject: inner\r\nContent-Type: text/html\r\n\r\n",
          "BODY[2.HEADER]")
    equal(part("BODY[2.1]"), b"<p>x", "BODY[2.1]")
    equal(part("BODY[3]"), b"AAEC", "BODY[3]")
    equal(part("BODY[HEADER.FIELDS (SUBJECT)]"), b"Subject: parts\r\n\r\n",
          "HEADER.FIELDS")
    equal(part("BODY[]<5.10>"), data[5:15], "a partial")
    equal(part("BODY[TEXT]"), data[data.index(b"\r\n\r\n") + 4:], "TEXT")
    typ, d = c.fetch("1", "(BODYSTRUCTURE ENVELOPE RFC822.SIZE)")
    text = b" ".join(x if isinstance(x, bytes) else x[0] + x[1]
                     for x in d).decode()
    check('"MIXED"' in text.upper() and '"BASE64"' in text.upper() and
          '"f.bin"' in text, text)
    check("RFC822.SIZE %d" % len(data) in text, text)
    check('("B, C" NIL "bc" "x.test")' in text, text)
    equal(c.store("1", "+FLAGS", r"\Seen")[0], "NO", "STORE after EXAMINE")
    c.logout()


def test_search(s):
    i = s.posthouse()
    user = i.accounts[0]["user"]
    c = imap(i, user)
    for subject, body in (("first", "needle in here"),
                          ("second", "nothing"),
                          ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "third")):
        ok(c.append("INBOX", None, None, message(
            "from-%s@x.test" % body.split()[0], ["to@x.test"], subject,
            body)), "APPEND")
    ok(c.select("INBOX"), "SELECT")
    for query, want in (
            ("ALL", b"1 2 3"), ('SUBJECT "SECOND"', b"2"),
            ('BODY "needle"', b"1"), ('TEXT "nothing"', b"2"),
            ("FROM from-third", b"3"), ("NOT SUBJECT first", b"2 3"),
            ("OR SUBJECT first SUBJECT second", b"1 2"),
            ("(SUBJECT first UNSEEN) 1:2", b"1"), ("UID 2:3", b"2 3"),
            ("LARGER 1000000", b""), ("SMALLER 1000000", b"1 2 3"),
            ("SENTON 22-Nov-2026", b"1 2 3"), ("SENTBEFORE 1-Jan-2020", b""),
            ("HEADER Message-ID test.invalid", b"1 2 3"),
            ("SINCE 1-Jan-2020", b"1 2 3"), ("UNDELETED UNANSWERED",
                                             b"1 2 3")):
        equal(ok(c.search(None, query), query)[0], want, query)
    c.literal = "grüsse".replace("ss", "ß").encode()
    equal(ok(c.search("UTF-8", "SUBJECT"), "SEARCH UTF-8")[0], b"3",
          "a subject in UTF-8")
    equal(c.search("KLINGON", "ALL")[0], "NO", "an unknown charset")
    c.logout()


def test_idle_hears_of_new_mail(s):
    i = s.posthouse()
    user = i.accounts[0]["user"]
    c = imap(i, user)
    ok(c.select("INBOX"), "SELECT")
    tag = c._new_tag()
    c.send(tag + b" IDLE\r\n")
    check(c.readline().startswith(b"+"), "continuation")
    send(i, "x@elsewhere.test", user)
    line = c.readline()
    while not line.endswith(b"EXISTS\r\n"):
        line = c.readline()
        check(line, "closed")
    equal(line, b"* 1 EXISTS\r\n", "what IDLE says")
    c.send(b"DONE\r\n")
    while not line.startswith(tag):
        line = c.readline()
        check(line, "closed")
    check(b"OK" in line, repr(line))
    c.logout()


def mailbox_dir(i, user):
    for d, subs, _ in os.walk(i.mail):
        if {"cur", "new", "tmp"} <= set(subs) and \
                user.split("@")[0] in d:
            return d
    raise AssertionError("no Maildir of " + user)


def uids(i, user):
    c = imap(i, user)
    ok(c.select("INBOX", readonly=True), "EXAMINE")
    validity = c.response("UIDVALIDITY")[1][0]
    data = ok(c.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS "
                    "(MESSAGE-ID)])"), "FETCH")
    out = {}
    for d in data:
        if isinstance(d, tuple):
            uid = re.search(rb"UID (\d+)", d[0]).group(1)
            flags = re.search(rb"FLAGS \(([^)]*)\)", d[0]).group(1)
            out[d[1].strip()] = (uid, b" ".join(sorted(
                f for f in flags.split() if f != rb"\Recent")))
    c.logout()
    return validity, out


def test_uids_survive_the_index(s):
    i, user = filled(s, 8)
    c = imap(i, user)
    c.select("INBOX")
    c.store("2,5", "+FLAGS", r"(\Seen \Answered)")
    c.store("3", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.logout()
    before = uids(i, user)
    i.stop()
    d = mailbox_dir(i, user)
    gone = glob.glob(os.path.join(d, "posthouse.*"))
    check(gone, "no index files in " + d)
    for f in gone:
        os.unlink(f)
    i.start()
    equal(uids(i, user), before, "UIDs and flags without the index")


def test_other_programs_in_the_maildir(s):
    """A file dropped into new/, a flag changed by a rename, a removal."""
    i, user = filled(s, 3)
    _, before = uids(i, user)
    d = mailbox_dir(i, user)
    st = os.stat(d)
    path = os.path.join(d, "tmp", "1.foreign.host")
    data = message("foreign@x.test", [user]).replace(b"\r\n", b"\n")
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, st.st_uid, st.st_gid)
    os.rename(path, os.path.join(d, "new", "1.foreign.host"))
    got = wait_inbox(i, user, 4)
    check(data.replace(b"\n", b"\r\n") in got, "the foreign message")
    _, after = uids(i, user)
    for mid, what in before.items():
        equal(after[mid], what, "UID and flags of an old message")


def test_corpus_by_append(s):
    if not CORPUS:
        raise Skip("no corpus here (POSTHOUSE_CORPUS)")
    i = s.posthouse()
    user = i.accounts[0]["user"]
    c = imap(i, user)
    ok(c.create("Corpus"), "CREATE")
    sent = []
    for f in sorted(glob.glob(CORPUS + "/*/*.[me][sm][gl]")):
        with open(f, "rb") as fh:
            data = re.sub(rb"\r\n|\r|\n", b"\r\n", fh.read())
        if b"\0" in data or not data:
            continue
        ok(c.append("Corpus", None, None, data), "APPEND " + f)
        sent.append((f, data))
    check(len(sent) > 100, "too few messages: %d" % len(sent))
    ok(c.select("Corpus"), "SELECT")
    for n, (f, data) in enumerate(sent):
        got = ok(c.fetch(str(n + 1), "(BODY.PEEK[] RFC822.SIZE)"), f)
        equal(got[0][1], data, f)
        check(b"RFC822.SIZE %d" % len(data) in got[0][0] + got[1], f)
    data = ok(c.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)"), "FETCH")
    check(len([1 for x in data if x]) >= len(sent), "envelopes")
    c.logout()


def test_both_protocols_agree(s):
    i, user = filled(s, 3)
    p = pop(i, user)
    uidl = [x.split()[1] for x in p.uidl()[1]]
    equal(len(set(uidl)), 3, "distinct UIDLs")
    p.dele(2)
    p.quit()
    equal(len(inbox(i, user)), 2, "messages after DELE and QUIT")
    p = pop(i, user)
    equal([x.split()[1] for x in p.uidl()[1]], [uidl[0], uidl[2]],
          "UIDLs after DELE")
    p.dele(1)
    p.rset()
    p.quit()
    p = pop(i, user, "pop3")
    equal(p.stat()[0], 2, "messages after RSET")
    p.dele(1)
    p.sock.close()          # no QUIT: nothing is deleted
    equal(len(inbox(i, user)), 2, "messages after a lost session")
