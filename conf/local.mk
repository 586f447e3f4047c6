# SPDX-License-Identifier: Apache-2.0

# Every parameter of every program, asked from the programs themselves.
noinst_PROGRAMS += tools/rows
tools_rows_SOURCES = tools/rows.c tools/params.c tools/params.h
tools_rows_LDADD = $(LIBS_ROUTE) $(LIBS_MAP) $(LIBS_CONF) $(LIBS_SYS) \
	$(LIBS_BASE) $(MAP_LIBS)

# Leaks do not matter here, and would make it fail under the sanitizer.
%D%/params.tsv: tools/rows$(EXEEXT) $(daemon_PROGRAMS)
	$(AM_V_GEN)export ASAN_OPTIONS=detect_leaks=0; \
	    $(MKDIR_P) $(@D) && tools/rows >$@.all && \
	    for p in $(daemon_PROGRAMS); do \
		case $$p in tools/*) continue;; esac; \
		$$p -P </dev/null >>$@.all || exit 1; \
	    done && LC_ALL=C sort -t '	' -k2,2 -k1,1 -u $@.all >$@.tmp && \
	    rm -f $@.all && mv $@.tmp $@

%D%/main.cf.sample: %D%/params.tsv %D%/sample.awk
	$(AM_V_GEN)$(AWK) -f $(srcdir)/%D%/sample.awk %D%/params.tsv \
	    >$@.tmp && mv $@.tmp $@

pkgdata_DATA += %D%/params.tsv
CLEANFILES += %D%/params.tsv %D%/main.cf.sample

confdir = $(sysconfdir)/posthouse
CONF_FILES = %D%/main.cf %D%/master.cf %D%/aliases
nodist_conf_DATA = %D%/main.cf.sample
EXTRA_DIST += $(CONF_FILES) %D%/sample.awk %D%/params_test.sh

# An administrator's files are never overwritten.  Without a table of aliases
# local delivery would wait for one, so that is made as well.
install-data-local: install-conf
install-conf: tools/postalias$(EXEEXT)
	$(MKDIR_P) '$(DESTDIR)$(confdir)'
	for f in $(CONF_FILES); do \
		to='$(DESTDIR)$(confdir)'/$${f##*/}; \
		test -e "$$to" || \
		    $(INSTALL_DATA) $(srcdir)/$$f "$$to" || exit 1; \
	done
	to='$(DESTDIR)$(confdir)/aliases'; test -e "$$to.db" || \
	    tools/postalias -c '$(DESTDIR)$(confdir)' hash:"$$to" || \
	    echo "run newaliases before you start"

# What nobody has changed goes again.
uninstall-local: uninstall-conf
uninstall-conf:
	for f in $(CONF_FILES); do \
		at='$(DESTDIR)$(confdir)'/$${f##*/}; \
		! cmp -s $(srcdir)/$$f "$$at" || rm -f "$$at"; \
	done
	at='$(DESTDIR)$(confdir)/aliases'; test -e "$$at" || rm -f "$$at.db"
.PHONY: install-conf uninstall-conf

TESTS += %D%/params_test.sh
