# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libsys.a
%C%_libsys_a_SOURCES = \
	%D%/clock.c \
	%D%/clock.h \
	%D%/cpu.c \
	%D%/cpu.h \
	%D%/file.c \
	%D%/file.h \
	%D%/stamp.c \
	%D%/stamp.h \
	%D%/log.c \
	%D%/log.h \
	%D%/loop.c \
	%D%/loop.h \
	%D%/privs.c \
	%D%/privs.h \
	%D%/sock.c \
	%D%/sock.h \
	%D%/syncer.c \
	%D%/syncer.h

check_PROGRAMS += %D%/loop_test %D%/sys_test
%C%_loop_test_SOURCES = %D%/loop_test.c
%C%_loop_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%C%_loop_test_LDADD = $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)
%C%_sys_test_SOURCES = %D%/sys_test.c
%C%_sys_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%C%_sys_test_LDADD = $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)
