# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libproto.a
%C%_libproto_a_SOURCES =

%C%_libproto_a_SOURCES += \
	%D%/pop3.c \
	%D%/pop3.h \
	%D%/sasl.h \
	%D%/sasl_plain.c \
	%D%/sasl_scram.c
check_PROGRAMS += %D%/sasl_test
%C%_sasl_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_sasl_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)

%C%_libproto_a_SOURCES += \
	%D%/imap_args.c \
	%D%/imap_args.h \
	%D%/imap_fetch.c \
	%D%/imap_fetch.h \
	%D%/imap_frame.c \
	%D%/imap_frame.h \
	%D%/imap_mbox.c \
	%D%/imap_mbox.h \
	%D%/imap_out.c \
	%D%/imap_out.h \
	%D%/imap_search.c \
	%D%/imap_search.h \
	%D%/imap_set.c \
	%D%/imap_set.h \
	%D%/imap_struct.c \
	%D%/imap_struct.h
check_PROGRAMS += %D%/imap_frame_test %D%/imap_args_test %D%/imap_fuzz_test \
	%D%/imap_struct_test
%C%_imap_frame_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_imap_frame_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)
%C%_imap_args_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_imap_args_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)
%C%_imap_struct_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_imap_struct_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)
%C%_imap_fuzz_test_LDADD = $(PURE_LIBS)

%C%_libproto_a_SOURCES += \
	%D%/smtp_cmd.c \
	%D%/smtp_cmd.h \
	%D%/smtp_data.c \
	%D%/smtp_data.h \
	%D%/smtp_line.c \
	%D%/smtp_line.h
check_PROGRAMS += %D%/smtp_test %D%/smtp_fuzz
%C%_smtp_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_smtp_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)
%C%_smtp_fuzz_LDADD = $(PURE_LIBS)

check_PROGRAMS += %D%/pop3_test
%C%_pop3_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_pop3_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)

%C%_libproto_a_SOURCES += \
	%D%/smtp_reply.c \
	%D%/smtp_reply.h
check_PROGRAMS += %D%/smtp_reply_test
%C%_smtp_reply_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_smtp_reply_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)
