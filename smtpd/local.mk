# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/smtpd
%C%_smtpd_SOURCES = \
	%D%/announce.c \
	%D%/announce.h \
	%D%/anvil.c \
	%D%/check.c \
	%D%/check.h \
	%D%/check_access.c \
	%D%/check_dns.c \
	%D%/check_list.c \
	%D%/check_parse.c \
	%D%/cmd_auth.c \
	%D%/cmd_data.c \
	%D%/cmd_mail.c \
	%D%/cmd_session.c \
	%D%/command.c \
	%D%/conn.c \
	%D%/dns.c \
	%D%/main.c \
	%D%/outbox.c \
	%D%/params.c \
	%D%/peer.c \
	%D%/policy.c \
	%D%/policy.h \
	%D%/reply.c \
	%D%/smtpd.h \
	%D%/state.c \
	%D%/tx.c
%C%_smtpd_LDADD = $(LIBS_INTAKE) $(LIBS_DAEMON) $(LIBS_QUEUE) \
	$(LIBS_ROUTE) $(LIBS_MAP) $(LIBS_IPC) $(LIBS_PROTO) $(LIBS_CONF) \
	$(LIBS_NET) $(LIBS_MAIL) $(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) \
	$(OPENSSL_LIBS) $(EVENT_LIBS) $(DB_LIBS) $(PCRE2_LIBS)
TESTS += %D%/session_test.py

check_PROGRAMS += %D%/announce_test
%C%_announce_test_SOURCES = %D%/announce.c %D%/announce_test.c
%C%_announce_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_announce_test_LDADD = $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) \
	$(CHECK_LIBS)
EXTRA_DIST += %D%/session_test.py
