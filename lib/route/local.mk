# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libroute.a
%C%_libroute_a_SOURCES = \
	%D%/route.h
