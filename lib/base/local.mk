# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libbase.a
%C%_libbase_a_SOURCES = \
	%D%/arena.c \
	%D%/arena.h \
	%D%/ascii.h \
	%D%/attr.h \
	%D%/buf.c \
	%D%/fmt.c \
	%D%/buf.h \
	%D%/check_child.h \
	%D%/check_run.h \
	%D%/crc32c.c \
	%D%/crc32c.h \
	%D%/error.c \
	%D%/error.h \
	%D%/hash.c \
	%D%/hash.h \
	%D%/heap.c \
	%D%/heap.h \
	%D%/list.h \
	%D%/mem.c \
	%D%/mem.h \
	%D%/panic.c \
	%D%/panic.h \
	%D%/slice.c \
	%D%/slice.h \
	%D%/times.h \
	%D%/wire.c \
	%D%/wire.h

check_PROGRAMS += %D%/base_test
%C%_base_test_SOURCES = %D%/base_test.c
%C%_base_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_base_test_LDADD = $(LIBS_BASE) $(CHECK_LIBS)
