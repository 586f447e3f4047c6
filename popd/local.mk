# SPDX-License-Identifier: Apache-2.0
daemon_PROGRAMS += %D%/popd
%C%_popd_SOURCES = \
	%D%/command.c \
	%D%/drop.c \
	%D%/main.c \
	%D%/popd.h \
	%D%/session.c
%C%_popd_LDADD = $(LIBS_STORE) $(LIBS_PROTO) $(LIBS_NET) $(LIBS_MAIL) \
	$(DAEMON_LIBS) $(OPENSSL_LIBS) $(IDN2_LIBS)
