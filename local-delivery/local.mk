# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/local-delivery
%C%_local_delivery_SOURCES = \
	%D%/alias.c \
	%D%/alias.h \
	%D%/command.c \
	%D%/environment.c \
	%D%/known.c \
	%D%/known.h \
	%D%/local.c \
	%D%/locald.h \
	%D%/macro.c \
	%D%/macro.h \
	%D%/main.c \
	%D%/pipe.c \
	%D%/request.c \
	%D%/verdict.c \
	%D%/verdict.h \
	%D%/virtual.c \
	%D%/work_msg.c \
	%D%/work_msg.h \
	%D%/worker.c
%C%_local_delivery_LDADD = $(LIBS_DAEMON) $(LIBS_STORE) $(LIBS_ROUTE) \
	$(LIBS_MAP) $(LIBS_IPC) $(LIBS_CONF) $(LIBS_MAIL) $(LIBS_SYS) \
	$(LIBS_CODEC) $(LIBS_BASE) $(MAP_LIBS) $(EVENT_LIBS)

check_PROGRAMS += %D%/parse_test
%C%_parse_test_SOURCES = %D%/parse_test.c %D%/alias.c %D%/macro.c \
	%D%/verdict.c
%C%_parse_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_parse_test_LDADD = $(LIBS_BASE) $(CHECK_LIBS)

check_PROGRAMS += %D%/known_test
%C%_known_test_SOURCES = %D%/known_test.c %D%/known.c
%C%_known_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_known_test_LDADD = $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)
