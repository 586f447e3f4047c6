# SPDX-License-Identifier: Apache-2.0
imapd_objects = \
	%D%/append.c \
	%D%/cmd_any.c \
	%D%/cmd_list.c \
	%D%/cmd_search.c \
	%D%/cmd_select.c \
	%D%/cmd_store.c \
	%D%/cmd_tree.c \
	%D%/command.c \
	%D%/fetch.c \
	%D%/find.c \
	%D%/find.h \
	%D%/idle.c \
	%D%/imapd.h \
	%D%/mailbox.c \
	%D%/match.c \
	%D%/params.c \
	%D%/section.c \
	%D%/section.h \
	%D%/session.c \
	%D%/special.h \
	%D%/texts.c \
	%D%/texts.h \
	%D%/worker.c
noinst_LIBRARIES += %D%/libimapd.a
%C%_libimapd_a_SOURCES = $(imapd_objects)
imapd_libs = %D%/libimapd.a $(LIBS_STORE) $(LIBS_PROTO) $(LIBS_NET) \
	$(LIBS_MAIL) $(DAEMON_LIBS) $(OPENSSL_LIBS) $(IDN2_LIBS)

daemon_PROGRAMS += %D%/imapd
%C%_imapd_SOURCES = %D%/main.c
%C%_imapd_LDADD = $(imapd_libs)

# A session without login, for tests.
noinst_PROGRAMS += %D%/imapd_pipe
%C%_imapd_pipe_SOURCES = %D%/imapd_pipe.c
%C%_imapd_pipe_LDADD = $(imapd_libs)
TESTS += %D%/session_test.sh
EXTRA_DIST += %D%/session_test.sh %D%/session_test.py

check_PROGRAMS += %D%/texts_test
%C%_texts_test_SOURCES = %D%/texts_test.c
%C%_texts_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_texts_test_LDADD = $(imapd_libs) $(CHECK_LIBS)
