# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/pickup
%C%_pickup_SOURCES = \
	%D%/content.c \
	%D%/drop.c \
	%D%/forward.c \
	%D%/main.c \
	%D%/pickup.h \
	%D%/refuse.c \
	%D%/scan.c
%C%_pickup_LDADD = $(LIBS_INTAKE) $(LIBS_QUEUE) $(LIBS_ROUTE) $(LIBS_MAP) \
	$(LIBS_DAEMON) $(LIBS_IPC) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_MAIL) \
	$(LIBS_CODEC) $(LIBS_BASE) $(EVENT_LIBS) $(DB_LIBS) $(PCRE2_LIBS)
