# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libmail.a
%C%_libmail_a_SOURCES = \
	%D%/address.c \
	%D%/address.h \
	%D%/address_list.c \
	%D%/downgrade.c \
	%D%/downgrade.h \
	%D%/envelope.c \
	%D%/envelope.h \
	%D%/header.c \
	%D%/header.h \
	%D%/mime.c \
	%D%/mime.h \
	%D%/mime_field.c \
	%D%/mime_int.h \
	%D%/mime_store.c

check_PROGRAMS += %D%/mail_test
%C%_mail_test_SOURCES = %D%/mail_test.c
%C%_mail_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_mail_test_LDADD = $(LIBS_MAIL) $(LIBS_CODEC) $(LIBS_BASE) $(CHECK_LIBS)

check_PROGRAMS += %D%/downgrade_test
%C%_downgrade_test_SOURCES = %D%/downgrade_test.c
%C%_downgrade_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_downgrade_test_LDADD = $(LIBS_MAIL) $(LIBS_CODEC) $(LIBS_BASE) \
	$(CHECK_LIBS)
EXTRA_DIST += %D%/mail_fuzz.c
