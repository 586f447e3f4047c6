# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libqueue.a
%C%_libqueue_a_SOURCES = \
	%D%/inflight.c \
	%D%/inflight.h \
	%D%/journal.c \
	%D%/journal.h \
	%D%/journal_copy.c \
	%D%/journal_done.c \
	%D%/journal_find.c \
	%D%/journal_int.h \
	%D%/journal_rest.c \
	%D%/journal_seg.c \
	%D%/journal_seg.h \
	%D%/journal_start.c \
	%D%/journal_write.c \
	%D%/journal_write.h \
	%D%/maildrop.c \
	%D%/maildrop.h \
	%D%/queue.h \
	%D%/queue_commit.c \
	%D%/queue_dir.c \
	%D%/queue_file.c \
	%D%/queue_format.c \
	%D%/queue_format.h \
	%D%/queue_id.c \
	%D%/queue_id.h \
	%D%/queue_int.h \
	%D%/queue_log.c \
	%D%/queue_log.h \
	%D%/queue_msg.c \
	%D%/queue_walk.c \
	%D%/queue_walk.h

check_PROGRAMS += %D%/maildrop_test %D%/queue_test %D%/queue_fuzz \
	%D%/journal_test %D%/journal_start_test %D%/journal_fuzz
%C%_journal_test_SOURCES = %D%/journal_test.c %D%/journal_fixture.c \
	%D%/journal_fixture.h
%C%_journal_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_journal_test_LDADD = $(LIBS_QUEUE) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) \
	$(CHECK_LIBS)
%C%_queue_test_SOURCES = %D%/queue_test.c
%C%_queue_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_queue_test_LDADD = $(LIBS_QUEUE) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) \
	$(CHECK_LIBS)
%C%_journal_start_test_SOURCES = %D%/journal_start_test.c \
	%D%/journal_fixture.c %D%/journal_fixture.h
%C%_journal_start_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_journal_start_test_LDADD = $(LIBS_QUEUE) $(LIBS_SYS) $(LIBS_BASE) \
	$(EVENT_LIBS) $(CHECK_LIBS)
%C%_journal_fuzz_SOURCES = %D%/journal_fuzz.c
%C%_journal_fuzz_LDADD = $(LIBS_QUEUE) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS)
%C%_queue_fuzz_SOURCES = %D%/queue_fuzz.c
%C%_queue_fuzz_LDADD = $(LIBS_QUEUE) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS)
%C%_maildrop_test_SOURCES = %D%/maildrop_test.c
%C%_maildrop_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_maildrop_test_LDADD = $(LIBS_QUEUE) $(LIBS_BASE) $(CHECK_LIBS)
