# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libintake.a
%C%_libintake_a_SOURCES = \
	%D%/commit.c \
	%D%/head.c \
	%D%/intake.c \
	%D%/intake.h \
	%D%/intake_int.h \
	%D%/intake_service.c \
	%D%/intake_service.h \
	%D%/lines.c \
	%D%/lines.h \
	%D%/params.c \
	%D%/received.c \
	%D%/second.c

check_PROGRAMS += %D%/lines_test %D%/intake_test
%C%_lines_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_lines_test_LDADD = $(LIBS_INTAKE) $(LIBS_BASE) $(CHECK_LIBS)
%C%_intake_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_intake_test_LDADD = $(LIBS_INTAKE) $(LIBS_QUEUE) $(LIBS_ROUTE) \
	$(LIBS_MAP) $(LIBS_CONF) $(LIBS_MAIL) $(LIBS_SYS) $(LIBS_CODEC) \
	$(LIBS_BASE) $(EVENT_LIBS) $(DB_LIBS) $(PCRE2_LIBS) $(CHECK_LIBS)
