# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libdaemon.a
%C%_libdaemon_a_SOURCES = \
	%D%/board.c \
	%D%/board.h \
	%D%/daemon.c \
	%D%/daemon.h \
	%D%/daemon_int.h \
	%D%/options.c \
	%D%/params.c \
	%D%/seccomp.c \
	%D%/seccomp.h \
	%D%/serve.c \
	%D%/session_broker.c \
	%D%/session_broker.h \
	%D%/startup.c \
	%D%/userproc.c \
	%D%/userproc.h

noinst_PROGRAMS += %D%/testd
%C%_testd_SOURCES = %D%/testd.c
%C%_testd_LDADD = $(DAEMON_LIBS)
