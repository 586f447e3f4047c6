# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/qmgr
%C%_qmgr_SOURCES = \
	%D%/active.c \
	%D%/admin.c \
	%D%/backoff.c \
	%D%/convert.c \
	%D%/deliver.c \
	%D%/dest.c \
	%D%/durable.c \
	%D%/finish.c \
	%D%/journal.c \
	%D%/list.c \
	%D%/lookup.c \
	%D%/main.c \
	%D%/msg.c \
	%D%/nexthop.c \
	%D%/owed.c \
	%D%/qmgr.h \
	%D%/scan.c \
	%D%/settle.c \
	%D%/sweep.c
%C%_qmgr_LDADD = $(LIBS_QUEUE) $(LIBS_ROUTE) $(LIBS_MAP) $(DAEMON_LIBS) \
	$(DB_LIBS) $(PCRE2_LIBS)

check_PROGRAMS += %D%/qmgr_test
%C%_qmgr_test_SOURCES = %D%/backoff.c %D%/nexthop.c %D%/qmgr_test.c
%C%_qmgr_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_qmgr_test_LDADD = $(LIBS_BASE) $(CHECK_LIBS)

check_PROGRAMS += %D%/durable_test
%C%_durable_test_SOURCES = %D%/durable.c %D%/durable_test.c
%C%_durable_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_durable_test_LDADD = $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) \
	$(CHECK_LIBS)
