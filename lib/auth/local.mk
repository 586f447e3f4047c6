# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libauth.a
%C%_libauth_a_SOURCES = \
	%D%/account.c \
	%D%/account.h \
	%D%/authdb.c \
	%D%/authdb.h \
	%D%/authdb_int.h \
	%D%/cred.c \
	%D%/cred.h \
	%D%/mech.c \
	%D%/mech.h \
	%D%/passwd_file.c \
	%D%/scram.c \
	%D%/system.c \
	%D%/userdb.c \
	%D%/userdb.h
AUTH_LIBS = -lcrypto $(CRYPT_LIBS)

check_PROGRAMS += %D%/account_test %D%/cred_test %D%/mech_test
%C%_account_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_account_test_LDADD = $(LIBS_AUTH) $(LIBS_CODEC) $(LIBS_BASE) $(CHECK_LIBS)
%C%_cred_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_cred_test_LDADD = $(LIBS_AUTH) $(LIBS_CODEC) $(LIBS_BASE) $(AUTH_LIBS) $(CHECK_LIBS)
%C%_mech_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_mech_test_LDADD = $(LIBS_AUTH) $(PURE_LIBS) $(AUTH_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/authdb_test
%C%_authdb_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_authdb_test_LDADD = $(LIBS_AUTH) $(LIBS_MAP) $(LIBS_PROTO) $(LIBS_CONF) \
	$(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) $(AUTH_LIBS) $(DB_LIBS) \
	$(PCRE2_LIBS) $(CHECK_LIBS) $(EVENT_LIBS)
