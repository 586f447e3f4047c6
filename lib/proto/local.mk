# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libproto.a
%C%_libproto_a_SOURCES =

%C%_libproto_a_SOURCES += \
	%D%/sasl.h \
	%D%/sasl_plain.c \
	%D%/sasl_scram.c
check_PROGRAMS += %D%/sasl_test
%C%_sasl_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_sasl_test_LDADD = $(PURE_LIBS) $(CHECK_LIBS)
