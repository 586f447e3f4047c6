# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/smtp-client
%C%_common = \
	%D%/conn.c \
	%D%/content.c \
	%D%/hello.c \
	%D%/job.c \
	%D%/result.c \
	%D%/smtpc.h \
	%D%/target.c \
	%D%/tx.c
%C%_smtp_client_SOURCES = %D%/main.c $(%C%_common)
%C%_smtp_client_LDADD = $(LIBS_DAEMON) $(LIBS_MAP) $(LIBS_IPC) $(LIBS_PROTO) \
	$(LIBS_MAIL) $(LIBS_CONF) $(LIBS_NET) $(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) \
	$(OPENSSL_LIBS) $(EVENT_LIBS) $(DB_LIBS) $(PCRE2_LIBS)

check_PROGRAMS += %D%/smtpc_test
%C%_smtpc_test_SOURCES = %D%/smtpc_test.c
%C%_smtpc_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_smtpc_test_LDADD = $(LIBS_IPC) $(LIBS_SYS) $(LIBS_BASE) $(OPENSSL_LIBS) \
	$(EVENT_LIBS) $(CHECK_LIBS)
