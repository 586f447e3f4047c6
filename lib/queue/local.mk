# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libqueue.a
%C%_libqueue_a_SOURCES = \
	%D%/queue.h \
	%D%/queue_dir.c \
	%D%/queue_file.c \
	%D%/queue_format.c \
	%D%/queue_format.h \
	%D%/queue_id.c \
	%D%/queue_int.h \
	%D%/queue_log.c \
	%D%/queue_log.h \
	%D%/queue_msg.c
