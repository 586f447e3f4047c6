#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Read a notification from standard input with Python's email package, a
reader that we did not write, and say what it understood, line by line."""
import email
import email.policy
import sys

raw = sys.stdin.buffer.read()
assert raw.replace(b"\r\n", b"").count(b"\n") == 0, "bare LF"
assert raw.replace(b"\r\n", b"").count(b"\r") == 0, "bare CR"
assert max(map(len, raw.split(b"\r\n"))) <= 998, "line too long"
msg = email.message_from_bytes(raw, policy=email.policy.default)
assert not msg.defects, msg.defects
assert msg.get_content_type() == "multipart/report"
assert msg.get_param("report-type") == "delivery-status"
print("subject", msg["Subject"])
print("to", msg["To"])
print("from", msg["From"])
print("auto", msg["Auto-Submitted"])
print("headers", len(msg.keys()))
parts = msg.get_payload()
print("parts", *[p.get_content_type() for p in parts])
for part in parts:
    assert not part.defects, part.defects
status = parts[1].get_payload()
if parts[1].get_content_type() == "message/global-delivery-status":
    # Python 3.11 takes it for a message with a header and a body.
    text = status[0].as_bytes().decode("utf-8")
    status = [email.message_from_string(block, policy=email.policy.default)
              for block in text.replace("\r\n", "\n").strip().split("\n\n")]
for block in status:
    if not block.keys():
        continue
    print("block", *sorted(block.keys()))
    for name in ("Original-Envelope-Id", "Final-Recipient",
                 "Original-Recipient", "Action", "Status", "Remote-MTA",
                 "Diagnostic-Code"):
        if name in block:
            print(" ", name, " ".join(str(block[name]).split()))
last = parts[2].get_payload()
if isinstance(last, list):
    last = last[0].as_bytes()
    print("message", last.decode("utf-8", "replace").splitlines())
else:
    print("text", last.splitlines())
