# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/anvil
%C%_anvil_SOURCES = %D%/anvil.c
%C%_anvil_LDADD = $(DAEMON_LIBS)

check_PROGRAMS += %D%/anvil_test
%C%_anvil_test_SOURCES = %D%/anvil_test.c
%C%_anvil_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_anvil_test_LDADD = $(LIBS_IPC) $(LIBS_SYS) $(LIBS_BASE) \
	$(EVENT_LIBS) $(CHECK_LIBS)
