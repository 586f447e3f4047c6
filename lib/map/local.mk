# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libmap.a
%C%_libmap_a_SOURCES = \
	%D%/map.h
