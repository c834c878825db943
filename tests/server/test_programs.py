"""Client programs and libraries that others wrote, against a real server."""

import shutil
import subprocess

import ldap3
import pytest
import serving
from ldap3.core.exceptions import LDAPInvalidCredentialsResult
from ldap3.extend.standard.PagedSearch import paged_search_generator

# What the sphere is shown, and what administrators write: who does not bind is of the sphere here.
PEOPLE = f"ou=personnes,{serving.SUFFIX}"
WRITTEN = f"ou=apicrypt,{serving.SUFFIX}"
DUPONT = f"uid=899900010028,{PEOPLE}"


def ldapsearch(server: serving.Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("ldapsearch")
    if program is None:
        pytest.skip("OpenLDAP's tools are not installed")
    command = [program, "-x", "-LLL", "-o", "ldif-wrap=no", "-H", server.uri, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def dns(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("dn:")]


class TestOpenLdap:
    def test_people_are_found_by_what_is_typed(self, server):
        found = ldapsearch(server, "-b", serving.SUFFIX, "(cn=*dupont*)", "mail")
        assert found.returncode == 0
        assert len(dns(found.stdout)) == 4
        assert "mail: " in found.stdout

    def test_pages_are_followed_to_their_end(self, server):
        every = ldapsearch(server, "-b", PEOPLE, "(sn=*)", "1.1")
        paged = ldapsearch(server, "-b", PEOPLE, "-E", "pr=7/noprompt", "(sn=*)", "1.1")
        assert paged.returncode == 0
        assert len(dns(paged.stdout)) > 40
        assert sorted(dns(paged.stdout)) == sorted(dns(every.stdout))
        assert len(set(dns(paged.stdout))) == len(dns(paged.stdout))

    def test_sorting_is_done_and_said(self, server):
        found = ldapsearch(server, "-b", PEOPLE, "-E", "!sss=sn", "-E", "pr=5/noprompt", "(sn=*)", "sn")
        assert found.returncode == 0
        names = [
            line.split(": ", 1)[1].lower() for line in found.stdout.splitlines() if line.startswith("sn: ")
        ]
        assert names[:5] == sorted(names[:5])

    def test_the_size_limit_gives_the_entries_and_the_code(self, server):
        found = ldapsearch(server, "-b", PEOPLE, "-z", "3", "(sn=*)", "1.1")
        assert found.returncode == 4
        assert len(dns(found.stdout)) == 3

    def test_version_2_binds_and_searches(self, server):
        found = ldapsearch(server, "-P", "2", "-b", serving.SUFFIX, "(sn=DUPONT)", "1.1")
        assert found.returncode == 0
        assert dns(found.stdout)

    @pytest.mark.parametrize(("password", "status"), [(serving.PASSWORD, 0), ("wrong", 49), ("", 53)])
    def test_the_administrator_logs_in(self, server, password, status):
        found = ldapsearch(server, "-D", serving.ADMIN, "-w", password, "-b", serving.SUFFIX, "-s", "base")
        assert found.returncode == status

    def test_passwords_are_returned_to_nobody(self, server):
        found = ldapsearch(
            server,
            "-D",
            serving.ADMIN,
            "-w",
            serving.PASSWORD,
            "-b",
            serving.SUFFIX,
            "*",
            "+",
            "userPassword",
        )
        assert "userPassword" not in found.stdout
        assert "{SSHA" not in found.stdout

    @pytest.mark.parametrize(
        ("program", "arguments", "status"),
        [
            ("ldapcompare", [DUPONT, "sn:dupont"], 6),
            ("ldapcompare", [DUPONT, "sn:dupond"], 5),
            ("ldapcompare", [f"uid=jean.dupont,{WRITTEN}", "sn:dupont"], 32),
            ("ldapdelete", [DUPONT], 50),
            ("ldapdelete", [f"uid=jean.dupont,{WRITTEN}"], 50),
            ("ldapwhoami", [], 0),
            ("ldapexop", ["1.2.3.4"], 1),
            ("ldapwhoami", ["-ZZ"], 1),
        ],
    )
    def test_other_programs(self, server, program, arguments, status):
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"{program} is not installed")
        command = [path, "-x", "-H", server.uri, *arguments]
        assert subprocess.run(command, capture_output=True, timeout=120).returncode == status


class TestLdap3:
    @pytest.fixture
    def connection(self, server):
        place = ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.ALL)
        with ldap3.Connection(place, serving.ADMIN, serving.PASSWORD, raise_exceptions=True) as connection:
            yield connection

    def test_it_reads_all_that_the_server_says_of_itself(self, connection):
        info, schema = connection.server.info, connection.server.schema
        assert info.naming_contexts == [serving.SUFFIX]
        assert info.supported_ldap_versions == [3]
        assert "1.2.840.113556.1.4.319" in {control[0] for control in info.supported_controls}
        assert info.vendor_name == "annuaire"
        assert "apicryptVersion" in schema.attribute_types
        assert schema.object_classes["inetOrgPerson"].superior == ["organizationalPerson"]
        assert "caseIgnoreMatch" in schema.matching_rules

    def test_values_are_of_the_types_that_the_schema_tells(self, connection):
        connection.search(WRITTEN, "(uid=jean.dupont)", attributes=["*", "+"])
        [entry] = connection.entries
        assert entry.apicryptInterop.value is True
        assert entry.createTimestamp.value.year >= 2026
        assert entry.entry_dn == f"uid=jean.dupont,{WRITTEN}"

    def test_a_person_and_the_entry_of_the_account_lie_side_by_side(self, connection):
        connection.search(serving.SUFFIX, "(mail=jean.dupont@medical59.apicrypt.org)", attributes=["mail"])
        assert sorted(entry.entry_dn for entry in connection.entries) == [
            DUPONT,
            f"uid=jean.dupont,{WRITTEN}",
        ]

    def test_pages_are_followed_to_their_end(self, connection):
        pages = paged_search_generator(
            connection, PEOPLE, "(sn=*)", attributes=["sn"], paged_size=10, paged_criticality=True
        )
        assert len(list(pages)) > 40

    def test_an_accent_more_or_less_is_the_same_name(self, connection):
        found = []
        for typed in ("lefevre", "Lefèvre", "LEFEVRE"):
            connection.search(PEOPLE, f"(sn={typed})", attributes=[])
            found.append(sorted(entry.entry_dn for entry in connection.entries))
        assert found[0]
        assert found[0] == found[1] == found[2]

    def test_a_failed_rebind_leaves_the_connection_anonymous(self, connection):
        assert connection.extend.standard.who_am_i() == f"dn:{serving.ADMIN}"
        with pytest.raises(LDAPInvalidCredentialsResult):
            connection.rebind(serving.ADMIN, "wrong", authentication=ldap3.SIMPLE)
        assert not connection.extend.standard.who_am_i()


PERL = r"""
use Net::LDAP; use Net::LDAP::Control::Paged; use Net::LDAP::Constant qw(LDAP_CONTROL_PAGED);
my ($port, $base) = @ARGV;
my $ldap = Net::LDAP->new('127.0.0.1', port => $port, timeout => 60) or die "$@";
my $dse = $ldap->root_dse; print "context ", $dse->get_value('namingContexts'), "\n";
my $schema = $ldap->schema or die 'no schema'; print "class ", $schema->objectclass('inetOrgPerson')->{oid}, "\n";
my $page = Net::LDAP::Control::Paged->new(size => 20); my $count = 0; my $pages = 0;
while (1) {
    my $found = $ldap->search(base => $base, filter => '(sn=*)', attrs => ['sn'], control => [$page]);
    die $found->error if $found->code;
    $count += $found->count; $pages++;
    my ($answer) = $found->control(LDAP_CONTROL_PAGED) or die 'no control';
    my $cookie = $answer->cookie; last unless defined $cookie && length $cookie;
    $page->cookie($cookie);
}
print "entries $count pages $pages\n";
my $types = $ldap->search(base => $base, scope => 'one', filter => '(uid=899900010028)', typesonly => 1);
print "types ", join(' ', map { scalar @{$types->entry(0)->get_value($_, asref => 1) || []} } ('cn', 'sn')), "\n";
print "refused ", $ldap->delete("uid=899900010028,$base")->code, "\n";
$ldap->unbind;
"""


def test_perl_net_ldap(server):
    perl = shutil.which("perl")
    if perl is None or subprocess.run([perl, "-MNet::LDAP", "-e", "1"], capture_output=True).returncode:
        pytest.skip("Perl's Net::LDAP is not installed")
    done = subprocess.run(
        [perl, "-e", PERL, str(server.port()), PEOPLE], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said["context"] == serving.SUFFIX
    assert said["class"] == "2.16.840.1.113730.3.2.2"
    count, _, pages = said["entries"].split()
    assert int(count) > 40
    assert int(pages) == -(-int(count) // 20)
    assert said["types"] == "0 0"
    assert said["refused"] == "50"
