# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/resolver
%C%_resolver_SOURCES = \
	%D%/answer.c \
	%D%/answer.h \
	%D%/hosts.c \
	%D%/hosts.h \
	%D%/main.c \
	%D%/query.c \
	%D%/resolver.h \
	%D%/setup.c
%C%_resolver_CPPFLAGS = $(AM_CPPFLAGS) $(UNBOUND_CFLAGS) $(IDN2_CFLAGS)
%C%_resolver_LDADD = $(DAEMON_LIBS) $(UNBOUND_LIBS) $(IDN2_LIBS)

EXTRA_DIST += %D%/answer_fuzz.c
check_PROGRAMS += %D%/answer_test %D%/resolver_test
%C%_answer_test_SOURCES = %D%/answer_test.c %D%/answer.c %D%/hosts.c
%C%_answer_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_answer_test_LDADD = $(LIBS_BASE) $(CHECK_LIBS)
%C%_resolver_test_SOURCES = %D%/resolver_test.c
%C%_resolver_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_resolver_test_LDADD = $(LIBS_IPC) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) \
	$(CHECK_LIBS)
