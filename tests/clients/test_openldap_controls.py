"""What OpenLDAP's tools ask beyond the plain operations: passwords, TLS, windows, replicas, acting for others."""

import re
import subprocess

import pytest
import serving
from workplace import PEOPLE, dns, lines, people, program

ACCOUNT = "cn=Personne 00"
OLD = "un-mot-de-passe-ancien"
NEW = "un-mot-de-passe-tout-neuf"


@pytest.fixture(autouse=True)
def everybody(tools, workplace):
    assert tools("ldapadd", input=people(workplace.base)).returncode == 0


class TestPasswords:
    @pytest.fixture
    def account(self, tools, workplace):
        """Somebody of the sphere, who may bind."""
        change = (
            f"dn: {ACCOUNT},{workplace.base}\nchangetype: modify\n"
            "add: objectClass\nobjectClass: apicryptUtilisateur\n-\n"
            "add: apicryptVersion\napicryptVersion: 2\n-\n"
        )
        done = tools("ldapmodify", input=change)
        assert done.returncode == 0, done.stderr
        return f"{ACCOUNT},{workplace.base}"

    def who(self, tools, account: str, password: str) -> int:
        return tools("ldapwhoami", who=(account, password)).returncode

    def test_an_administrator_gives_one_and_its_owner_changes_it(self, tools, account):
        assert tools("ldappasswd", "-ZZ", "-s", OLD, account).returncode == 0
        assert self.who(tools, account, OLD) == 0
        own = (account, OLD)
        assert tools("ldappasswd", "-ZZ", "-a", "faux", "-s", NEW, account, who=own).returncode != 0
        done = tools("ldappasswd", "-ZZ", "-a", OLD, "-s", NEW, who=own)
        assert done.returncode == 0, done.stderr
        assert (self.who(tools, account, OLD), self.who(tools, account, NEW)) == (49, 0)

    def test_one_that_is_made_up_is_told_once_and_works(self, tools, account):
        done = tools("ldappasswd", "-ZZ", account)
        assert done.returncode == 0, done.stderr
        found = re.search(r"New password: (\S+)", done.stdout)
        assert found is not None, done.stdout
        assert self.who(tools, account, found[1]) == 0

    def test_a_short_one_is_refused_and_the_policy_says_why(self, tools, account):
        done = tools("ldappasswd", "-ZZ", "-e", "ppolicy", "-s", "court", account)
        assert "(19)" in done.stdout
        assert "too short" in (done.stdout + done.stderr).lower()
        change = f"dn: {account}\nchangetype: modify\nreplace: userPassword\nuserPassword: court\n"
        assert tools("ldapmodify", "-ZZ", input=change).returncode == 19

    def test_a_password_is_in_no_answer(self, tools, account):
        assert tools("ldappasswd", "-ZZ", "-s", OLD, account).returncode == 0
        found = tools("ldapsearch", "-b", account, "-s", "base", "*", "+", "userPassword")
        assert found.returncode == 0
        assert "userPassword" not in found.stdout
        assert tools("ldapcompare", account, f"userPassword:{OLD}").returncode != 6


class TestTls:
    def test_every_tool_works_behind_starttls(self, tools, workplace):
        name = f"cn=Personne 01,{workplace.base}"
        assert tools("ldapsearch", "-ZZ", "-b", name, "-s", "base").returncode == 0
        assert tools("ldapcompare", "-ZZ", name, "sn:h").returncode == 6
        assert tools("ldapmodrdn", "-ZZ", "-r", name, "cn=Chiffrée").returncode == 0
        assert tools("ldapdelete", "-ZZ", f"cn=Chiffrée,{workplace.base}").returncode == 0
        assert tools("ldapwhoami", "-ZZ").stdout == f"dn:{serving.ADMIN}\n"

    def test_a_mechanism_that_is_not_advertised_is_refused_by_the_client_itself(self, workplace):
        command = [program("ldapwhoami"), "-Q", "-Y", "GSSAPI", "-H", workplace.server.uri]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode != 0


class TestWindows:
    def test_a_window_by_place_and_by_value(self, tools, workplace):
        order = ("-E", "!sss=cn")
        base = ("-b", workplace.base)
        found = tools("ldapsearch", *base, *order, "-E", "!vlv=2/3/10/0", "(cn=Personne*)", "cn", input="")
        numbers = [int(name[-2:]) for name in lines(found.stdout, "cn")]
        assert numbers[:6] == [7, 8, 9, 10, 11, 12]
        found = tools(
            "ldapsearch", *base, *order, "-E", "!vlv=0/2:Personne 20", "(cn=Personne*)", "cn", input=""
        )
        numbers = [int(name[-2:]) for name in lines(found.stdout, "cn")]
        assert numbers[:3] == [20, 21, 22]

    def test_matched_values_are_those_alone(self, tools, workplace):
        name = f"cn=Personne 03,{workplace.base}"
        change = f"dn: {name}\nchangetype: modify\nadd: mail\nmail: autre@exemple.fr\n"
        assert tools("ldapmodify", input=change).returncode == 0
        found = tools("ldapsearch", "-b", name, "-s", "base", "-E", "!mv=((mail=autre*))", "mail")
        assert lines(found.stdout, "mail") == ["autre@exemple.fr"]


class TestAssertions:
    def test_a_search_and_a_comparison_are_done_if_the_entry_is_as_asserted(self, tools, workplace):
        name = f"cn=Personne 04,{workplace.base}"
        for asserted, searched, compared in (("(cn=Personne 04)", 0, 6), ("(cn=Personne 05)", 122, 122)):
            found = tools("ldapsearch", "-e", f"!assert={asserted}", "-b", name, "-s", "base", "cn")
            assert (found.returncode, len(dns(found.stdout))) == (searched, int(not searched))
            done = tools("ldapcompare", "-e", f"!assert={asserted}", name, "cn:personne 04")
            assert done.returncode == compared
        absent = tools("ldapsearch", "-e", "!assert=(cn=x)", "-b", f"cn=x,{workplace.base}", "-s", "base")
        assert absent.returncode == 32


class TestReplicas:
    def test_a_refresh_gives_everything(self, tools, workplace):
        found = tools("ldapsearch", "-b", workplace.base, "-E", "!sync=ro", "(objectClass=*)", "cn")
        assert found.returncode == 0, found.stderr
        assert len(dns(found.stdout)) == PEOPLE + 1


class TestOthers:
    def test_an_administrator_acts_for_somebody_and_writes_nothing_as_such(self, tools, workplace):
        asked = ("-e", "!authzid=")
        assert tools("ldapwhoami", *asked).stdout == "anonymous\n"
        name = f"cn=Personne 05,{workplace.base}"
        assert tools("ldapdelete", *asked, name).returncode == 50
        assert workplace.stored("cn=Personne 05") is not None
        refused = tools("ldapwhoami", "-e", "!authzid=dn:cn=personne,o=ailleurs")
        assert "Proxied Authorization Denied (123)" in refused.stderr

    def test_a_referral_is_shown_and_managed(self, tools, workplace):
        name = f"ou=ailleurs,{workplace.base}"
        referral = f"dn: {name}\nobjectClass: referral\nobjectClass: extensibleObject\nou: ailleurs\nref: ldap://a.exemple/\n"
        assert tools("ldapadd", "-M", input=referral).returncode == 0
        assert tools("ldapsearch", "-b", f"cn=x,{name}", "-s", "base").returncode == 10
        assert "ldap://a.exemple/" in tools("ldapsearch", "-b", workplace.base, "(ou=ailleurs)").stdout
        managed = tools("ldapsearch", "-MM", "-b", name, "-s", "base", "ref")
        assert lines(managed.stdout, "ref") == ["ldap://a.exemple/"]
        assert tools("ldapdelete", name).returncode == 10
        assert tools("ldapdelete", "-MM", name).returncode == 0

    def test_what_is_cancelled_was_never_there(self, tools):
        done = tools("ldapexop", "cancel", "12345")
        assert "119" in done.stdout + done.stderr
