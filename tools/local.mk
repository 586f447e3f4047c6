# SPDX-License-Identifier: Apache-2.0

# The queue's commands.
sbin_PROGRAMS += %D%/postdrop
%C%_postdrop_SOURCES = %D%/postdrop.c %D%/tool.c %D%/tool.h
%C%_postdrop_LDADD = $(LIBS_QUEUE) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_BASE) \
	$(EVENT_LIBS)

sbin_PROGRAMS += %D%/postqueue
%C%_postqueue_SOURCES = %D%/postqueue.c
%C%_postqueue_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_postqueue_LDADD = $(LIBS_IPC) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_BASE) \
	$(EVENT_LIBS) $(JANSSON_LIBS)
# `posthouse user`.
daemon_PROGRAMS += %D%/posthouse-user
%C%_posthouse_user_SOURCES = %D%/posthouse-user.c
%C%_posthouse_user_LDADD = $(LIBS_AUTH) $(LIBS_MAP) $(LIBS_PROTO) \
	$(LIBS_CONF) $(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) $(AUTH_LIBS) \
	$(DB_LIBS) $(PCRE2_LIBS) $(EVENT_LIBS)

# Tables.
TABLE_SOURCES = %D%/table.c %D%/table.h %D%/aliases.c %D%/tool.c %D%/tool.h
TABLE_LIBS = $(LIBS_MAP) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_CODEC) \
	$(LIBS_BASE) $(MAP_LIBS) $(EVENT_LIBS)
sbin_PROGRAMS += %D%/postmap %D%/postalias
bin_PROGRAMS += %D%/newaliases
%C%_postmap_SOURCES = %D%/postmap.c $(TABLE_SOURCES)
%C%_postmap_LDADD = $(TABLE_LIBS)
%C%_postalias_SOURCES = %D%/postalias.c $(TABLE_SOURCES)
%C%_postalias_LDADD = $(TABLE_LIBS)
%C%_newaliases_SOURCES = %D%/newaliases.c %D%/params.c %D%/params.h \
	$(TABLE_SOURCES)
%C%_newaliases_LDADD = $(TABLE_LIBS)
TESTS += %D%/table_test.sh
EXTRA_DIST += %D%/table_test.sh
