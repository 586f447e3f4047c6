# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libnet.a
%C%_libnet_a_SOURCES = \
	%D%/dial.c \
	%D%/dial.h \
	%D%/stream.c \
	%D%/stream.h \
	%D%/stream_int.h \
	%D%/stream_io.c \
	%D%/stream_time.c \
	%D%/stream_tls.c \
	%D%/tls.c \
	%D%/tls.h \
	%D%/tls_int.h \
	%D%/tls_sessions.c

check_PROGRAMS += %D%/stream_test
%C%_stream_test_SOURCES = %D%/stream_test.c
%C%_stream_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%C%_stream_test_LDADD = $(LIBS_NET) $(LIBS_SYS) $(LIBS_BASE) $(OPENSSL_LIBS) \
	$(EVENT_LIBS) $(CHECK_LIBS)
