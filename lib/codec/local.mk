# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libcodec.a
%C%_libcodec_a_SOURCES = \
	%D%/base64.h \
	%D%/date.h \
	%D%/qp.h \
	%D%/rfc2047.h \
	%D%/utf7.h \
	%D%/utf8.h \
	%D%/xtext.h
