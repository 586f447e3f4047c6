# SPDX-License-Identifier: Apache-2.0
"""A Dovecot of its own: LMTP behind Postfix, or IMAP and POP3."""
import os
import pwd
import shutil

import instance


def lmtp_socket(directory):
    return os.path.join(directory, "dove", "lmtp")


def mail(directory):
    return os.path.join(directory, "mail")


# Logins share a process and sessions are not limited: its documentation's
# advice for many of them.
CONF = """base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/log
protocols = {protocols}
listen = 127.0.0.1
mail_location = maildir:~/Maildir
mail_fsync = optimized
mail_max_userip_connections = 100000
disable_plaintext_auth = no
first_valid_uid = 1
default_internal_user = posthouse
default_internal_group = posthouse
default_login_user = posthouse-login
default_process_limit = 2000
default_client_limit = 5000
passdb {{
  driver = passwd-file
  args = {base}/users
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
"""

LMTP = """ssl = no
service lmtp {{
  process_min_avail = 2
  unix_listener {socket} {{
    mode = 0666
  }}
}}
"""

MAILBOX = """ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap {{
  process_limit = 5000
}}
"""


def lay_out(directory, users, domain, password, ports=None):
    """Configuration and users; the path of the former.  Without ports: LMTP
    on lmtp_socket(directory)."""
    base, at = os.path.join(directory, "dove"), mail(directory)
    for d in (base, at):
        os.makedirs(d, exist_ok=True)
    shutil.chown(at, instance.MAIL_USER, instance.MAIL_USER)
    u = pwd.getpwnam(instance.MAIL_USER)
    with open(os.path.join(base, "users"), "w") as f:
        for n in range(users):
            f.write("user%d@%s:{PLAIN}%s:%d:%d::%s/user%d::\n" % (
                n, domain, password, u.pw_uid, u.pw_gid, at, n))
    os.chmod(os.path.join(base, "users"), 0o644)
    text = CONF.format(base=base,
                       protocols="imap pop3" if ports else "lmtp")
    if ports:
        tls = os.path.join(directory, "tls")
        _, chain = instance.make_certificates(tls, ["mx." + domain],
                                              ["127.0.0.1"])
        text += MAILBOX.format(chain=chain,
                               key=os.path.join(tls, "server.key"), **ports)
    else:
        text += LMTP.format(socket=lmtp_socket(directory))
    path = os.path.join(base, "dovecot.conf")
    with open(path, "w") as f:
        f.write(text)
    return path
