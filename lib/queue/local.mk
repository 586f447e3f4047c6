# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libqueue.a
%C%_libqueue_a_SOURCES = \
	%D%/queue.h
