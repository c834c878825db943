"""A whole life with ldaptor's client; prints one JSON object of what it was told."""

import json
import sys
from pathlib import Path

from ldaptor import ldapfilter
from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap import ldaperrors
from ldaptor.protocols.ldap.distinguishedname import DistinguishedName
from ldaptor.protocols.ldap.ldapclient import LDAPClient
from ldaptor.protocols.ldap.ldapsyntax import LDAPEntry
from twisted.internet import defer, endpoints, reactor, task

told = json.loads(sys.argv[1])
base = told["base"]
said = {}


async def refused(waiting):
    try:
        await waiting
    except ldaperrors.LDAPException as error:
        return type(error).__name__
    return None


async def live():
    place = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", told["port"])
    client = await endpoints.connectProtocol(place, LDAPClient())
    said["wrong"] = await refused(client.bind(told["admin"], "wrong"))
    await client.bind(told["admin"], told["password"])
    top = LDAPEntry(client=client, dn=base)
    await top.fetch()
    person = {
        "objectClass": ["inetOrgPerson"],
        "cn": [told["name"]],
        "sn": ["Œuf"],
        "jpegPhoto": [Path(told["photo"]).read_bytes()],
        "userCertificate;binary": [Path(told["certificate"]).read_bytes()],
    }
    rdn = "cn=" + told["escaped"]
    added = await top.addChild(rdn, dict(person))
    said["twice"] = await refused(top.addChild(rdn, dict(person)))
    for number in range(4):
        await top.addChild(f"cn=P{number}", {"objectClass": ["person"], "cn": [f"P{number}"], "sn": ["a"]})
    found = await top.search(filterObject=ldapfilter.parseFilter("(sn=œuf)"))
    said["found"] = [next(iter(entry["cn"])).decode() for entry in found]
    entries = []
    # It takes sizeLimitExceeded for a success.
    await top.search(filterText="(sn=*)", sizeLimit=3, callback=entries.append)
    said["limited"] = len(entries)

    added["sn"] = ["Changé"]
    await added.commit()
    [one] = await top.search(filterText="(cn=P0)")
    del one[b"sn"]
    said["violated"] = await refused(one.commit())
    await top.addChild("ou=deux", {"objectClass": ["organizationalUnit"], "ou": ["deux"]})
    [one] = await top.search(filterText="(cn=P1)")
    await one.move(DistinguishedName(f"cn=Renommé,ou=deux,{base}"))
    for name in ("P0", "P2"):
        [one] = await top.search(filterText=f"(cn={name})")
        await one.delete()
    said["gone"] = await refused(LDAPEntry(client=client, dn=f"cn=P2,{base}").fetch())
    [unit] = await top.search(filterText="(ou=deux)")
    said["leaf"] = await refused(unit.delete())
    request = pureldap.LDAPSearchRequest(baseObject=base, scope=0)
    waiting = defer.Deferred()
    client.send_multiResponse_ex(
        request, [("1.2.3.4", True, None)], lambda answer, _: waiting.callback(answer) or True
    )
    said["critical"] = type(ldaperrors.get((await waiting).resultCode, b"")).__name__
    client.unbind()
    print(json.dumps(said))


task.react(lambda _: defer.ensureDeferred(live()))
