# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libdaemon.a
%C%_libdaemon_a_SOURCES = \
	%D%/daemon.h \
	%D%/session_broker.h \
	%D%/userproc.h
