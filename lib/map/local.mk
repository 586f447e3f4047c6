# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libmap.a
%C%_libmap_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
%C%_libmap_a_SOURCES = \
	%D%/cidr.c \
	%D%/cidr_int.h \
	%D%/combine.c \
	%D%/db.c \
	%D%/db_int.h \
	%D%/db_write.c \
	%D%/list.c \
	%D%/map.c \
	%D%/map.h \
	%D%/map_int.h \
	%D%/map_write.h \
	%D%/match.c \
	%D%/missing.c \
	%D%/regexp.c \
	%D%/rules.c \
	%D%/rules_int.h \
	%D%/text.c \
	%D%/users.c

# What goes with $(LIBS_MAP) on a link line, behind it.
MAP_LIBS = $(DB_LIBS) $(PCRE2_LIBS)

check_PROGRAMS += %D%/map_test
%C%_map_test_SOURCES = %D%/map_test.c
%C%_map_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_map_test_LDADD = $(LIBS_MAP) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_BASE) \
	$(MAP_LIBS) $(CHECK_LIBS)
EXTRA_DIST += %D%/map_fuzz.c
