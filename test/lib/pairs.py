# SPDX-License-Identifier: Apache-2.0
"""Two instances that find each other by MX on one SMTP port."""
import instance


def pair(s, records=(), main=None, dns=None):
    addr = {"a": s.address(), "b": s.address()}
    port = instance.free_port(*addr.values())
    zone = ["%s MX 10 mx.%s" % (n, n) for n in addr]
    zone += ["mx.%s A %s" % (n, addr[n]) for n in addr]
    d = dns or s.dns(zone + list(records))
    s.zone = d
    out = []
    for n in addr:
        conf = {"minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
                "smtp_tcp_port": str(port), **d.main_cf(),
                "mynetworks": "127.0.0.0/8", "smtp_bind_address": addr[n]}
        conf.update(main or {})
        out.append(s.posthouse(n, host=addr[n], ports={"smtp": port},
                               main=conf))
    return out
