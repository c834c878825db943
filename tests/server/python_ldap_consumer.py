"""A consumer made of python-ldap's ldap.syncrepl, run by the system's Python: URI, DN, password, base, and a name.

It follows until an entry of that name appears, polls once more with its cookie, and prints what it holds as JSON.
"""

import json
import sys

import ldap
from ldap.ldapobject import SimpleLDAPObject
from ldap.syncrepl import SyncreplConsumer


class Consumer(SimpleLDAPObject, SyncreplConsumer):
    def __init__(self, uri):
        SimpleLDAPObject.__init__(self, uri)
        self.cookie = None
        self.entries = {}
        self.deleted = 0
        self.cookies = []
        self.present = set()

    def syncrepl_get_cookie(self):
        return self.cookie

    def syncrepl_set_cookie(self, cookie):
        self.cookie = cookie
        self.cookies.append(cookie)

    def syncrepl_entry(self, dn, attributes, uuid):
        self.entries[uuid] = dn

    def syncrepl_delete(self, uuids):
        for uuid in uuids:
            self.deleted += self.entries.pop(uuid, None) is not None

    def syncrepl_present(self, uuids, refreshDeletes=False):  # noqa: N803 - the library's word
        if uuids is not None:
            self.present.update(uuids)
        elif not refreshDeletes and self.present:
            for uuid in self.entries.keys() - self.present:
                del self.entries[uuid]

    def syncrepl_refreshdone(self):
        print("refreshed", flush=True)


def main(uri, name, password, base, last):
    consumer = Consumer(uri)
    consumer.simple_bind_s(name, password)
    message = consumer.syncrepl_search(base, ldap.SCOPE_SUBTREE, mode="refreshAndPersist", cookie=None)
    while last not in consumer.entries.values():
        consumer.syncrepl_poll(msgid=message, timeout=60)
    consumer.cancel_s(message)
    message = consumer.syncrepl_search(base, ldap.SCOPE_SUBTREE, mode="refreshOnly", cookie=consumer.cookie)
    while consumer.syncrepl_poll(msgid=message, timeout=60, all=1):
        pass
    print(
        json.dumps(
            {
                "entries": sorted(consumer.entries.values()),
                "deleted": consumer.deleted,
                "ascending": consumer.cookies == sorted(consumer.cookies),
                "cookie": consumer.cookie,
            }
        )
    )


main(*sys.argv[1:])
