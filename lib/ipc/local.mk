# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libipc.a
%C%_libipc_a_SOURCES = \
	%D%/anvil_msg.c \
	%D%/anvil_msg.h \
	%D%/auth_msg.c \
	%D%/auth_msg.h \
	%D%/client.c \
	%D%/deliver_msg.c \
	%D%/deliver_msg.h \
	%D%/dns_msg.c \
	%D%/dns_msg.h \
	%D%/ipc.c \
	%D%/ipc.h \
	%D%/ipc_int.h \
	%D%/msg.c \
	%D%/msg.h \
	%D%/queue_msg.c \
	%D%/queue_msg.h \
	%D%/session_msg.c \
	%D%/session_msg.h

check_PROGRAMS += %D%/ipc_test
%C%_ipc_test_SOURCES = %D%/ipc_test.c
%C%_ipc_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_ipc_test_LDADD = $(LIBS_IPC) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) \
	$(CHECK_LIBS)
