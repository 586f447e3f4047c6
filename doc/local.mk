# SPDX-License-Identifier: Apache-2.0

# Manual pages: templates whose parameters come from the programs' tables.
MAN1 = %D%/man/newaliases.1 %D%/man/postalias.1 %D%/man/postcat.1 \
	%D%/man/postconf.1 %D%/man/postdrop.1 %D%/man/postmap.1 \
	%D%/man/postqueue.1 %D%/man/postsuper.1 %D%/man/sendmail.1
MAN5 = %D%/man/aliases.5 %D%/man/main.cf.5 %D%/man/master.cf.5
MAN8 = %D%/man/posthouse.8 %D%/man/posthouse-anvil.8 \
	%D%/man/posthouse-authd.8 %D%/man/posthouse-bounce.8 \
	%D%/man/posthouse-imapd.8 %D%/man/posthouse-local-delivery.8 \
	%D%/man/posthouse-login.8 %D%/man/posthouse-master.8 \
	%D%/man/posthouse-pickup.8 %D%/man/posthouse-popd.8 \
	%D%/man/posthouse-qmgr.8 %D%/man/posthouse-resolver.8 \
	%D%/man/posthouse-smtp-client.8 %D%/man/posthouse-smtpd.8
nodist_man_MANS = $(MAN1) $(MAN5) $(MAN8)
EXTRA_DIST += %D%
CLEANFILES += $(nodist_man_MANS)

$(nodist_man_MANS): conf/params.tsv %D%/man/fill.awk
$(MAN1) $(MAN5) $(MAN8): %: $(srcdir)/%.in
	$(AM_V_GEN)$(MKDIR_P) $(@D) && p=$(@F) && p=$${p#posthouse-} && \
	    case $$p in main.cf.5) p='*';; *) p=$${p%.*};; esac && \
	    $(AWK) -f $(srcdir)/doc/man/fill.awk -v prog="$$p" \
	    -v version='$(PACKAGE_VERSION)' -v tsv=conf/params.tsv \
	    $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
