# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/authd
%C%_authd_SOURCES = \
	%D%/authd.h \
	%D%/cache.c \
	%D%/cookie.c \
	%D%/exchange.c \
	%D%/main.c \
	%D%/params.c \
	%D%/penalty.c \
	%D%/service.c \
	%D%/verify.c
%C%_authd_LDADD = $(LIBS_DAEMON) $(LIBS_AUTH) $(LIBS_MAP) $(LIBS_IPC) \
	$(LIBS_PROTO) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) \
	$(AUTH_LIBS) $(DB_LIBS) $(PCRE2_LIBS) $(EVENT_LIBS)

check_PROGRAMS += %D%/authd_test
%C%_authd_test_SOURCES = %D%/authd_test.c %D%/cache.c %D%/cookie.c \
	%D%/penalty.c
%C%_authd_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_authd_test_LDADD = $(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) -lcrypto \
	$(CHECK_LIBS) $(EVENT_LIBS)
