# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libroute.a
%C%_libroute_a_SOURCES = \
	%D%/expand.c \
	%D%/params.c \
	%D%/resolve.c \
	%D%/route.c \
	%D%/route.h \
	%D%/route_int.h

check_PROGRAMS += %D%/route_test
%C%_route_test_SOURCES = %D%/route_test.c
%C%_route_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_route_test_LDADD = $(LIBS_ROUTE) $(LIBS_MAP) $(LIBS_CONF) $(LIBS_SYS) \
	$(LIBS_BASE) $(MAP_LIBS) $(CHECK_LIBS)
