# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/qmgr
%C%_qmgr_SOURCES = \
	%D%/active.c \
	%D%/admin.c \
	%D%/deliver.c \
	%D%/dest.c \
	%D%/finish.c \
	%D%/lookup.c \
	%D%/main.c \
	%D%/msg.c \
	%D%/nexthop.c \
	%D%/qmgr.h \
	%D%/scan.c \
	%D%/settle.c
%C%_qmgr_LDADD = $(LIBS_QUEUE) $(LIBS_ROUTE) $(LIBS_MAP) $(DAEMON_LIBS) \
	$(DB_LIBS) $(PCRE2_LIBS)
