# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libconf.a
%C%_libconf_a_SOURCES = \
	%D%/common.h \
	%D%/conf.h \
	%D%/mastercf.h
