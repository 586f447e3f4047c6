# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/anvil
%C%_anvil_SOURCES = %D%/anvil.c
%C%_anvil_LDADD = $(DAEMON_LIBS)
