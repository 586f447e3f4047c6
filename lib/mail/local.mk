# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libmail.a
%C%_libmail_a_SOURCES = \
	%D%/address.c \
	%D%/address.h \
	%D%/address_list.c \
	%D%/envelope.c \
	%D%/envelope.h \
	%D%/header.c \
	%D%/header.h \
	%D%/mime.c \
	%D%/mime.h \
	%D%/mime_field.c \
	%D%/mime_int.h \
	%D%/mime_store.c
