# SPDX-License-Identifier: Apache-2.0
# Load generator and bare servers for bench/run and the crash harness.
BENCH_LIBS = $(LIBS_NET) $(LIBS_SYS) $(LIBS_BASE) $(EVENT_LIBS) $(OPENSSL_LIBS)

noinst_PROGRAMS += %D%/smtpload %D%/smtpsink
%C%_smtpload_SOURCES = %D%/smtpload.c
%C%_smtpload_LDADD = $(BENCH_LIBS)
%C%_smtpsink_SOURCES = %D%/smtpsink.c
%C%_smtpsink_LDADD = $(BENCH_LIBS)
EXTRA_DIST += %D%/run %D%/lib
