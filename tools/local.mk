# SPDX-License-Identifier: Apache-2.0

# The queue's commands.
sbin_PROGRAMS += %D%/postdrop
%C%_postdrop_SOURCES = %D%/postdrop.c %D%/tool.c %D%/tool.h
%C%_postdrop_LDADD = $(LIBS_QUEUE) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_BASE) \
	$(EVENT_LIBS)

# Whoever sends mail may write to maildrop/ through postdrop, and ask qmgr
# through postqueue.  Packages do this after installation.
install-exec-hook:
	@if test "`id -u`" = 0 && getent group posthouse-drop >/dev/null; then \
		for p in postdrop postqueue; do \
			chgrp posthouse-drop "$(DESTDIR)$(sbindir)/$$p" && \
			chmod 2755 "$(DESTDIR)$(sbindir)/$$p" || exit 1; \
		done; \
	fi

# sendmail is also mailq; it looks at its name.
SENDMAIL_SOURCES = %D%/sendmail.c %D%/sendmail.h %D%/sendmail_header.c \
	%D%/sendmail_smtp.c %D%/submit.c %D%/submit.h %D%/tool.c %D%/tool.h
SENDMAIL_LIBS = $(LIBS_QUEUE) $(LIBS_PROTO) $(LIBS_MAIL) $(LIBS_CONF) \
	$(LIBS_SYS) $(LIBS_CODEC) $(LIBS_BASE) $(EVENT_LIBS)
sbin_PROGRAMS += %D%/sendmail
%C%_sendmail_SOURCES = $(SENDMAIL_SOURCES)
%C%_sendmail_LDADD = $(SENDMAIL_LIBS)
bin_PROGRAMS += %D%/mailq
%C%_mailq_SOURCES = $(SENDMAIL_SOURCES)
%C%_mailq_LDADD = $(SENDMAIL_LIBS)

sbin_PROGRAMS += %D%/postcat %D%/postsuper
%C%_postcat_SOURCES = %D%/postcat.c %D%/tool.c %D%/tool.h
%C%_postcat_LDADD = $(LIBS_QUEUE) $(LIBS_MAIL) $(LIBS_CONF) $(LIBS_SYS) \
	$(LIBS_CODEC) $(LIBS_BASE) $(EVENT_LIBS)
%C%_postsuper_SOURCES = %D%/postsuper.c %D%/tool.c %D%/tool.h
%C%_postsuper_LDADD = $(LIBS_QUEUE) $(LIBS_IPC) $(LIBS_CONF) $(LIBS_SYS) \
	$(LIBS_BASE) $(EVENT_LIBS)

check_PROGRAMS += %D%/local_mail_test
%C%_local_mail_test_SOURCES = %D%/local_mail_test.c
%C%_local_mail_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_local_mail_test_LDADD = $(LIBS_QUEUE) $(LIBS_IPC) $(LIBS_SYS) \
	$(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)
# It runs these as they are built.
%C%_local_mail_test_DEPENDENCIES = $(%C%_local_mail_test_LDADD) \
	%D%/sendmail %D%/postdrop %D%/postcat %D%/postsuper \
	pickup/pickup bounce/bounce

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
# The control command.
sbin_PROGRAMS += %D%/posthouse
%C%_posthouse_SOURCES = %D%/posthouse.c
%C%_posthouse_LDADD = $(LIBS_DAEMON) $(LIBS_IPC) $(LIBS_CONF) $(LIBS_SYS) \
	$(LIBS_CODEC) $(LIBS_BASE) $(EVENT_LIBS)

# Configuration.
sbin_PROGRAMS += %D%/postconf
%C%_postconf_SOURCES = %D%/postconf.c %D%/postconf.h %D%/postconf_edit.c \
	%D%/postconf_main.c %D%/postconf_master.c %D%/params.c %D%/params.h
%C%_postconf_LDADD = $(LIBS_ROUTE) $(LIBS_MAP) $(LIBS_CONF) $(LIBS_SYS) \
	$(LIBS_BASE) $(MAP_LIBS) $(EVENT_LIBS)
TESTS += %D%/postconf_test.sh
EXTRA_DIST += %D%/postconf_test.sh

# What ./quickstart and ./runtests are made of.
EXTRA_DIST += %D%/packages %D%/prepare.sh %D%/quickstart.py
