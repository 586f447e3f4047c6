# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libintake.a
%C%_libintake_a_SOURCES = \
	%D%/commit.c \
	%D%/head.c \
	%D%/intake.c \
	%D%/intake.h \
	%D%/intake_int.h \
	%D%/lines.c \
	%D%/lines.h \
	%D%/params.c \
	%D%/received.c
