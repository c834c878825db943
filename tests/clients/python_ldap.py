"""A whole life with python-ldap, run by the system's own Python; prints one JSON object of what it was told."""

import json
import sys

import ldap
import ldap.modlist
import ldap.sasl
import ldap.schema
from ldap.controls.libldap import AssertionControl, SimplePagedResultsControl
from ldap.controls.readentry import PostReadControl, PreReadControl
from ldap.controls.simple import ManageDSAITControl, ValueLessRequestControl
from ldap.controls.sss import SSSRequestControl
from ldap.dn import escape_dn_chars
from ldap.filter import filter_format
from ldap.ldapobject import ReconnectLDAPObject

told = json.loads(sys.argv[1])
base, name = told["base"], told["name"]
with open(told["photo"], "rb") as file:
    photo = file.read()
said = {}


def code(operation, *arguments, **named):
    try:
        operation(*arguments, **named)
    except ldap.LDAPError as error:
        return error.args[0]["result"]
    return 0


encrypted = ldap.initialize(told["uri"])
encrypted.set_option(ldap.OPT_X_TLS_CACERTFILE, told["authority"])
encrypted.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
encrypted.start_tls_s()
encrypted.simple_bind_s(told["admin"], told["password"])
said["encrypted"] = encrypted.whoami_s()
encrypted.unbind_s()

connection = ReconnectLDAPObject(told["uri"], retry_max=2, retry_delay=0.5)
connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 30)
said["wrong"] = code(connection.simple_bind_s, told["admin"], "wrong")
said["empty"] = code(connection.simple_bind_s, told["admin"], "")
said["bound"] = code(connection.simple_bind_s, told["admin"], told["password"])
said["who"] = connection.whoami_s()
said["contexts"] = connection.read_rootdse_s()["namingContexts"][0].decode()
_, entry = ldap.schema.subentry.urlfetch(f"{told['uri']}/{connection.search_subschemasubentry_s(base)}")
must, may = entry.attribute_types(["inetOrgPerson"])
said["must"] = sorted(one.names[0] for one in must.values())
said["may"] = "jpegPhoto" in {one.names[0] for one in may.values()}
said["equality"] = entry.get_inheritedattr(ldap.schema.models.AttributeType, "sn", "equality")

dn = f"cn={escape_dn_chars(name)},{base}"
person = {
    "objectClass": [b"inetOrgPerson"],
    "cn": [name.encode()],
    "sn": ["Œuf".encode()],
    "jpegPhoto": [photo],
}
said["added"] = code(connection.add_s, dn, ldap.modlist.addModlist(person))
said["twice"] = code(connection.add_s, dn, ldap.modlist.addModlist(person))
for number in range(12):
    one = {
        "objectClass": [b"inetOrgPerson"],
        "cn": [b"P%02d" % number],
        "sn": [b"abc"[number % 3 : number % 3 + 1]],
    }
    connection.add_s(f"cn=P{number:02},{base}", ldap.modlist.addModlist(one))
found = connection.search_s(base, ldap.SCOPE_SUBTREE, filter_format("(cn=%s)", [name]))
said["found"] = len(found)
said["photo"] = found[0][1]["jpegPhoto"] == [photo]
said["limited"] = code(connection.search_ext_s, base, ldap.SCOPE_SUBTREE, "(sn=*)", sizelimit=5)
try:
    connection.search_s(f"ou=x,{base}", ldap.SCOPE_SUBTREE)
except ldap.NO_SUCH_OBJECT as error:
    said["missing"] = [error.args[0]["result"], error.args[0].get("matched")]

pages, names, cookie = 0, [], ""
while pages == 0 or cookie:
    page = SimplePagedResultsControl(True, size=5, cookie=cookie)
    sort = SSSRequestControl(criticality=True, ordering_rules=["-sn", "cn"])
    number = connection.search_ext(base, ldap.SCOPE_SUBTREE, "(cn=P*)", ["cn"], serverctrls=[page, sort])
    _, entries, _, controls = connection.result3(number)
    names += [attributes["cn"][0].decode() for _, attributes in entries]
    [answer] = [one for one in controls if one.controlType == SimplePagedResultsControl.controlType]
    cookie = answer.cookie
    pages += 1
said["pages"], said["names"] = pages, names

one = f"cn=P00,{base}"
said["changed"] = code(
    connection.modify_s,
    one,
    [
        (ldap.MOD_ADD, "telephoneNumber", [b"+33 3 53 01 00 01", b"+33 3 53 01 00 02"]),
        (ldap.MOD_REPLACE, "sn", ["Changé".encode()]),
        (ldap.MOD_DELETE, "telephoneNumber", [b"+33 3 53 01 00 01"]),
    ],
)
said["required"] = code(connection.modify_s, one, [(ldap.MOD_DELETE, "sn", None)])
said["absent"] = code(connection.modify_s, one, [(ldap.MOD_DELETE, "mail", [b"x@exemple.fr"])])
number = connection.modify_ext(
    one,
    [(ldap.MOD_REPLACE, "title", [b"Docteure"])],
    serverctrls=[
        AssertionControl(True, "(sn=changé)"),
        PreReadControl(True, ["title", "sn"]),
        PostReadControl(True, ["title"]),
        ManageDSAITControl(True),
    ],
)
_, _, _, controls = connection.result3(number)
read = {control.controlType: control.entry for control in controls}
said["before"] = {
    key: [value if isinstance(value, str) else value.decode() for value in values]
    for key, values in read[PreReadControl.controlType].items()
}
said["after"] = [
    value if isinstance(value, str) else value.decode()
    for value in read[PostReadControl.controlType]["title"]
]
said["unlike"] = code(
    connection.modify_ext_s,
    one,
    [(ldap.MOD_REPLACE, "title", [b"x"])],
    serverctrls=[AssertionControl(True, "(sn=autre)")],
)
unlike = [AssertionControl(True, "(sn=autre)")]
said["unread"] = [
    code(connection.search_ext_s, one, ldap.SCOPE_BASE, "(cn=*)", serverctrls=unlike),
    code(connection.compare_ext_s, one, "sn", "CHANGÉ", serverctrls=unlike),
]
said["same"] = connection.compare_s(one, "sn", "CHANGÉ")
said["other"] = connection.compare_s(one, "sn", "x")
said["renamed"] = code(connection.rename_s, f"cn=P01,{base}", "cn=Renommé")
said["exists"] = code(connection.rename_s, f"cn=P02,{base}", "cn=P03")
said["unit"] = code(connection.add_s, f"ou=deux,{base}", [("objectClass", [b"organizationalUnit"])])
said["moved"] = code(connection.rename_s, f"cn=P02,{base}", "cn=P02", f"ou=deux,{base}", 1)
said["leaf"] = code(connection.delete_s, f"ou=deux,{base}")
tree = ValueLessRequestControl("1.2.840.113556.1.4.805", True)
said["tree"] = code(connection.delete_ext_s, f"ou=deux,{base}", serverctrls=[tree])
said["deleted"] = code(connection.delete_s, f"cn=P04,{base}")
said["gone"] = code(connection.delete_s, f"cn=P04,{base}")
abandoned = connection.search(base, ldap.SCOPE_SUBTREE)
connection.abandon(abandoned)
said["after_abandon"] = len(connection.search_s(base, ldap.SCOPE_BASE))
connection.unbind_s()
print(json.dumps(said))
