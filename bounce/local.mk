# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/bounce
%C%_bounce_SOURCES = \
	%D%/bounce.h \
	%D%/job.c \
	%D%/main.c \
	%D%/notice.c \
	%D%/notice.h \
	%D%/select.c
%C%_bounce_LDADD = $(LIBS_INTAKE) $(LIBS_QUEUE) $(LIBS_ROUTE) $(LIBS_MAP) \
	$(LIBS_DAEMON) $(LIBS_IPC) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_MAIL) \
	$(LIBS_CODEC) $(LIBS_BASE) $(EVENT_LIBS) $(DB_LIBS) $(PCRE2_LIBS)

EXTRA_DIST += %D%/dsn_check.py
check_PROGRAMS += %D%/notice_test
%C%_notice_test_SOURCES = %D%/notice_test.c %D%/notice.c %D%/select.c
%C%_notice_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_notice_test_LDADD = $(LIBS_CODEC) $(LIBS_BASE) $(CHECK_LIBS)
