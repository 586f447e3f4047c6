# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/master
%C%_master_SOURCES = \
	%D%/check.c \
	%D%/child.c \
	%D%/config.c \
	%D%/directories.c \
	%D%/endpoint.c \
	%D%/main.c \
	%D%/master.h \
	%D%/service.c
%C%_master_LDADD = $(DAEMON_LIBS)
TESTS += %D%/master_test.py
EXTRA_DIST += %D%/master_test.py
