# SPDX-License-Identifier: Apache-2.0

# The queue's commands.
sbin_PROGRAMS += %D%/postdrop
%C%_postdrop_SOURCES = %D%/postdrop.c %D%/tool.c %D%/tool.h
%C%_postdrop_LDADD = $(LIBS_QUEUE) $(LIBS_CONF) $(LIBS_SYS) $(LIBS_BASE) \
	$(EVENT_LIBS)
