# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_SOURCES = \
	%D%/box.c \
	%D%/box.h \
	%D%/commit.c \
	%D%/delivery.c \
	%D%/delivery.h \
	%D%/incoming.c \
	%D%/list.c \
	%D%/log.c \
	%D%/log.h \
	%D%/names.c \
	%D%/place.c \
	%D%/place.h \
	%D%/rebuild.c \
	%D%/rebuild.h \
	%D%/record.c \
	%D%/record.h \
	%D%/scan.c \
	%D%/scan.h \
	%D%/snapshot.c \
	%D%/snapshot.h \
	%D%/store.c \
	%D%/store.h \
	%D%/store_int.h \
	%D%/subs.c \
	%D%/subs.h \
	%D%/table.c \
	%D%/table.h \
	%D%/tree.c \
	%D%/uidlist.c \
	%D%/uidlist.h \
	%D%/view.c \
	%D%/view.h \
	%D%/view_append.c \
	%D%/view_change.c \
	%D%/view_int.h \
	%D%/view_lazy.c \
	%D%/view_msg.c \
	%D%/watch.c \
	%D%/watch.h

check_PROGRAMS += %D%/store_test
%C%_store_test_SOURCES = %D%/store_test.c %D%/store_fixture.c \
	%D%/store_fixture.h
%C%_store_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_store_test_LDADD = $(LIBS_STORE) $(LIBS_MAIL) $(LIBS_SYS) $(LIBS_CODEC) \
	$(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/commit_test
%C%_commit_test_SOURCES = %D%/commit_test.c %D%/store_fixture.c \
	%D%/store_fixture.h
%C%_commit_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_commit_test_LDADD = $(LIBS_STORE) $(LIBS_MAIL) $(LIBS_SYS) $(LIBS_CODEC) \
	$(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/view_lazy_test
%C%_view_lazy_test_SOURCES = %D%/view_lazy_test.c %D%/store_fixture.c \
	%D%/store_fixture.h
%C%_view_lazy_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_view_lazy_test_LDADD = $(LIBS_STORE) $(LIBS_MAIL) $(LIBS_SYS) \
	$(LIBS_CODEC) $(LIBS_BASE) $(EVENT_LIBS) $(CHECK_LIBS)
