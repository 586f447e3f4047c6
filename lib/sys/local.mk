# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libsys.a
%C%_libsys_a_SOURCES = \
	%D%/clock.h \
	%D%/file.h \
	%D%/log.h \
	%D%/loop.h \
	%D%/privs.h \
	%D%/sock.h \
	%D%/syncer.h
