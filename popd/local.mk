# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libpopd.a
%C%_libpopd_a_SOURCES = \
	%D%/command.c \
	%D%/drop.c \
	%D%/main.c \
	%D%/popd.h \
	%D%/session.c
