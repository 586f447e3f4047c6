# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libconf.a
%C%_libconf_a_SOURCES = \
	%D%/common.c \
	%D%/common.h \
	%D%/computed.c \
	%D%/conf.c \
	%D%/conf.h \
	%D%/conf_int.h \
	%D%/expand.c \
	%D%/fill.c \
	%D%/lines.c \
	%D%/lines.h \
	%D%/mastercf.c \
	%D%/mastercf.h \
	%D%/rows.c

check_PROGRAMS += %D%/conf_test %D%/mastercf_test
%C%_conf_test_SOURCES = %D%/conf_test.c
%C%_conf_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_conf_test_LDADD = $(LIBS_CONF) $(LIBS_BASE) $(CHECK_LIBS)
%C%_mastercf_test_SOURCES = %D%/mastercf_test.c
%C%_mastercf_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_mastercf_test_LDADD = $(LIBS_CONF) $(LIBS_BASE) $(CHECK_LIBS)
EXTRA_DIST += %D%/conf_fuzz.c
