# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libintake.a
%C%_libintake_a_SOURCES = \
	%D%/intake.h
