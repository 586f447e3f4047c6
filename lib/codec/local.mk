# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libcodec.a
%C%_libcodec_a_SOURCES = \
	%D%/base64.c \
	%D%/base64.h \
	%D%/date.c \
	%D%/date.h \
	%D%/qp.c \
	%D%/qp.h \
	%D%/rfc2047.c \
	%D%/rfc2047.h \
	%D%/utf7.c \
	%D%/utf7.h \
	%D%/utf8.c \
	%D%/utf8.h \
	%D%/xtext.c \
	%D%/xtext.h

check_PROGRAMS += %D%/codec_test
%C%_codec_test_SOURCES = %D%/codec_test.c
%C%_codec_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_codec_test_LDADD = $(LIBS_CODEC) $(LIBS_BASE) $(CHECK_LIBS)
