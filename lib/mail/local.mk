# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libmail.a
%C%_libmail_a_SOURCES = \
	%D%/address.h \
	%D%/envelope.h \
	%D%/header.h \
	%D%/mime.h
