# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/login
%C%_login_SOURCES = \
	%D%/auth.c \
	%D%/conn.c \
	%D%/handoff.c \
	%D%/imap.c \
	%D%/login.h \
	%D%/main.c \
	%D%/params.c \
	%D%/pop3.c \
	%D%/relay.c \
	%D%/report.c
%C%_login_LDADD = $(LIBS_DAEMON) $(LIBS_IPC) $(LIBS_PROTO) $(LIBS_CONF) \
	$(LIBS_NET) $(LIBS_MAIL) $(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) \
	$(OPENSSL_LIBS) $(EVENT_LIBS)
