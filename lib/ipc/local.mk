# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libipc.a
%C%_libipc_a_SOURCES = \
	%D%/anvil_msg.c \
	%D%/anvil_msg.h \
	%D%/auth_msg.c \
	%D%/auth_msg.h \
	%D%/deliver_msg.c \
	%D%/deliver_msg.h \
	%D%/dns_msg.c \
	%D%/dns_msg.h \
	%D%/ipc.h \
	%D%/msg.h \
	%D%/queue_msg.c \
	%D%/queue_msg.h \
	%D%/session_msg.c \
	%D%/session_msg.h
