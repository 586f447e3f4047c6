#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# IMAP sessions over a real store; POSTHOUSE_CORPUS: messages to go through.
command -v python3 >/dev/null || exit 77
IMAPD_PIPE=$(pwd)/imapd/imapd_pipe CORPUS=${POSTHOUSE_CORPUS:-} \
	exec python3 "$srcdir/imapd/session_test.py"
