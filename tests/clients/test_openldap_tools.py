"""OpenLDAP's own command line tools live a whole life in a directory of ours."""

import base64
import itertools
from pathlib import Path

import pytest
import serving
from workplace import CERTIFICATE, ESCAPED, NAME, PEOPLE, PHOTO, TREE_DELETE, dns, lines, people


class TestAdd:
    def test_people_are_added_and_found(self, tools, workplace):
        added = tools("ldapadd", input=people(workplace.base))
        assert added.returncode == 0, added.stderr
        assert len(workplace.below()) == PEOPLE
        found = tools("ldapsearch", "-b", workplace.base, "(sn=c)", "cn")
        assert len(dns(found.stdout)) == 2

    def test_names_photos_and_certificates_come_back_octet_by_octet(self, tools, workplace, tmp_path):
        (tmp_path / "photo").write_bytes(PHOTO)
        (tmp_path / "certificate").write_bytes(CERTIFICATE)
        name = f"cn={ESCAPED},{workplace.base}"
        ldif = (
            f"dn:: {base64.b64encode(name.encode()).decode()}\nobjectClass: inetOrgPerson\n"
            f"cn:: {base64.b64encode(NAME.encode()).decode()}\nsn: Œuf\n"
            f"jpegPhoto:< file://{tmp_path}/photo\nuserCertificate;binary:< file://{tmp_path}/certificate\n"
        )
        added = tools("ldapadd", input=ldif)
        assert added.returncode == 0, added.stderr
        stored = workplace.stored(f"cn={ESCAPED}")
        assert stored is not None
        assert stored["cn"] == [NAME.encode()]
        assert stored["jpegPhoto"] == [PHOTO]
        assert stored["userCertificate;binary"] == [CERTIFICATE]
        found = tools(
            "ldapsearch", "-b", workplace.base, "-tt", "-T", str(tmp_path), f"(cn={NAME})", "jpegPhoto"
        )
        assert found.returncode == 0, found.stderr
        [place] = [
            line.partition("file://")[2] for line in found.stdout.splitlines() if "jpegPhoto:<" in line
        ]
        assert Path(place).read_bytes() == PHOTO

    def test_with_c_it_goes_on_behind_a_refusal_and_s_keeps_what_was_refused(
        self, tools, workplace, tmp_path
    ):
        bad = f"dn: cn=Sans nom,{workplace.base}\nobjectClass: inetOrgPerson\ncn: Sans nom\n\n"
        added = tools("ldapadd", "-c", "-S", str(tmp_path / "refused"), input=bad + people(workplace.base))
        assert added.returncode == 65
        assert "sn" in added.stderr
        assert len(workplace.below()) == PEOPLE
        assert "cn=Sans nom" in (tmp_path / "refused").read_text()

    @pytest.mark.parametrize(
        ("entry", "status"),
        [
            ("dn: cn=a,ou=nulle part,{base}\nobjectClass: person\ncn: a\nsn: a\n", 32),
            ("dn: {base}\nobjectClass: organizationalUnit\nou: x\n", 68),
            ("dn: cn=a,{base}\nobjectClass: person\ncn: a\nsn: a\ncouleur: bleu\n", 17),
            ("dn: cn=a,{base}\nobjectClass: person\ncn: a\nsn: a\nmail: a@exemple.fr\n", 65),
            ("dn: cn=a,{base}\nobjectClass: person\ncn: a\nsn: a\ncreatorsName: cn=a\n", 19),
            ("dn: pas un nom\nobjectClass: person\ncn: a\nsn: a\n", 34),
            ("dn: cn=a,ou=personnes,o=apicrypt,c=FR\nobjectClass: person\ncn: a\nsn: a\n", 53),
            ("dn: cn=a,{base}\nobjectClass: groupOfNames\ncn: a\nmember: personne\n", 21),
        ],
    )
    def test_what_cannot_be_added_is_refused_with_the_code_of_its_fault(
        self, tools, workplace, entry, status
    ):
        assert tools("ldapadd", input=entry.format(base=workplace.base)).returncode == status
        assert workplace.below() == []


class TestModify:
    @pytest.fixture(autouse=True)
    def person(self, tools, workplace):
        assert tools("ldapadd", input=people(workplace.base)).returncode == 0

    def modify(self, tools, workplace, change: str, *arguments: str, rdn: str = "cn=Personne 00"):
        return tools("ldapmodify", *arguments, input=f"dn: {rdn},{workplace.base}\n{change}")

    def test_values_are_added_replaced_and_deleted_in_one_request(self, tools, workplace):
        done = self.modify(
            tools,
            workplace,
            "changetype: modify\nadd: telephoneNumber\ntelephoneNumber: +33 3 53 01 00 01\n"
            "telephoneNumber: +33 3 53 01 00 02\n-\nreplace: sn\nsn: Neuf\n-\n"
            "delete: telephoneNumber\ntelephoneNumber: +33353010001\n-\ndelete: mail\n-\n",
        )
        assert done.returncode == 0, done.stderr
        stored = workplace.stored("cn=Personne 00")
        assert stored["sn"] == [b"Neuf"]
        assert stored["telephoneNumber"] == [b"+33 3 53 01 00 02"]
        assert "mail" not in stored

    def test_a_change_that_fails_leaves_nothing_of_the_others(self, tools, workplace):
        done = self.modify(
            tools, workplace, "changetype: modify\nreplace: sn\nsn: Neuf\n-\ndelete: title\n-\n"
        )
        assert done.returncode == 16
        assert workplace.stored("cn=Personne 00")["sn"] == [b"a"]

    def test_numbers_are_incremented(self, tools, workplace):
        pilot = (
            f"dn: cn=Pilote,{workplace.base}\nobjectClass: pilotPerson\ncn: Pilote\nsn: P\n"
            "mailPreferenceOption: 41\n"
        )
        assert tools("ldapadd", input=pilot).returncode == 0
        change = "changetype: modify\nincrement: mailPreferenceOption\nmailPreferenceOption: {}\n-\n"
        assert self.modify(tools, workplace, change.format(3), rdn="cn=Pilote").returncode == 0
        assert self.modify(tools, workplace, change.format(-2), rdn="cn=Pilote").returncode == 0
        assert workplace.stored("cn=Pilote")["mailPreferenceOption"] == [b"42"]
        assert self.modify(tools, workplace, change.format("x"), rdn="cn=Pilote").returncode != 0

    def test_ldif_renames_moves_and_deletes(self, tools, workplace):
        unit = f"dn: ou=Lille,{workplace.base}\nchangetype: add\nobjectClass: organizationalUnit\n\n"
        move = (
            f"dn: cn=Personne 01,{workplace.base}\nchangetype: modrdn\nnewrdn: cn=Ailleurs\n"
            f"deleteoldrdn: 1\nnewsuperior: ou=Lille,{workplace.base}\n\n"
        )
        delete = f"dn: cn=Personne 02,{workplace.base}\nchangetype: delete\n"
        done = tools("ldapmodify", input=unit + move + delete)
        assert done.returncode == 0, done.stderr
        below = workplace.below()
        assert "cn=Ailleurs,ou=Lille" in below
        assert "cn=Personne 01" not in below
        assert "cn=Personne 02" not in below

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ("add: sn\nsn: A\n", 20),
            ("delete: sn\nsn: absent\n", 16),
            ("delete: sn\n", 65),
            ("add: couleur\ncouleur: bleu\n", 17),
            ("replace: cn\ncn: Autre\n", 67),
            ("replace: objectClass\nobjectClass: organizationalUnit\n", 69),
            ("add: objectClass\nobjectClass: inconnue\n", 65),
            ("replace: entryUUID\nentryUUID: 00000000-0000-0000-0000-000000000000\n", 19),
        ],
    )
    def test_what_cannot_be_changed_is_refused_with_the_code_of_its_fault(
        self, tools, workplace, change, status
    ):
        before = workplace.stored("cn=Personne 00", ("*", "+"))
        assert self.modify(tools, workplace, f"changetype: modify\n{change}-\n").returncode == status
        assert workplace.stored("cn=Personne 00", ("*", "+")) == before

    def test_controls_assert_read_and_try_without_doing(self, tools, workplace):
        change = "changetype: modify\nreplace: sn\nsn: Neuf\n-\n"
        assert self.modify(tools, workplace, change, "-e", "!assert=(sn=autre)").returncode == 122
        assert workplace.stored("cn=Personne 00")["sn"] == [b"a"]
        tried = self.modify(tools, workplace, change, "-e", "!noop")
        assert "ldap_modify: No Operation (X) (16654)" in tried.stderr
        assert workplace.stored("cn=Personne 00")["sn"] == [b"a"]
        arguments = (
            "-e",
            "!assert=(sn=a)",
            "-e",
            "!preread=sn,entryUUID",
            "-e",
            "!postread=sn,modifiersName",
        )
        done = self.modify(tools, workplace, change, *arguments)
        assert done.returncode == 0, done.stderr
        said = done.stdout
        assert lines(said.replace("# ", "").replace("  ", ""), "sn") in (["a", "Neuf"], ["Neuf", "a"])
        assert serving.ADMIN in said
        assert self.modify(tools, workplace, change, "-e", "!manageDSAit").returncode == 0
        assert self.modify(tools, workplace, change, "-e", "!1.2.3.4").returncode == 12


class TestSearch:
    @pytest.fixture(autouse=True)
    def everybody(self, tools, workplace):
        assert tools("ldapadd", input=people(workplace.base)).returncode == 0

    def test_every_scope(self, tools, workplace):
        counts = {
            scope: len(dns(tools("ldapsearch", "-b", workplace.base, "-s", scope, "1.1").stdout))
            for scope in ("base", "one", "sub")
        }
        assert counts == {"base": 1, "one": PEOPLE, "sub": PEOPLE + 1}

    def test_pages_sorted_and_in_the_end_complete(self, tools, workplace):
        found = tools(
            "ldapsearch",
            "-b",
            workplace.base,
            "-E",
            "!pr=4/noprompt",
            "-E",
            "!sss=-sn/cn",
            "(sn=*)",
            "sn",
            "cn",
        )
        assert found.returncode == 0, found.stderr
        names = list(zip(lines(found.stdout, "sn"), lines(found.stdout, "cn"), strict=True))
        assert len(names) == PEOPLE
        assert [sn for sn, _ in names] == sorted((sn for sn, _ in names), reverse=True)
        assert all(one[1] < two[1] for one, two in itertools.pairwise(names) if one[0] == two[0])

    def test_limits_of_the_client_give_entries_and_the_code(self, tools, workplace):
        found = tools("ldapsearch", "-b", workplace.base, "-z", "3", "(sn=*)", "1.1")
        assert (found.returncode, len(dns(found.stdout))) == (4, 3)

    def test_attributes_by_name_class_and_kind(self, tools, workplace):
        one = ("-b", f"cn=Personne 03,{workplace.base}", "-s", "base", "(objectClass=*)")
        assert "mail:" not in tools("ldapsearch", *one, "@person").stdout
        assert "sn:" in tools("ldapsearch", *one, "@person").stdout
        assert "entryUUID:" in tools("ldapsearch", *one, "+").stdout
        assert lines(tools("ldapsearch", *one, "-A", "cn").stdout, "cn") == []
        assert "cn:" in tools("ldapsearch", *one, "-A", "cn").stdout

    def test_an_absent_base_names_the_nearest_entry_above(self, tools, workplace):
        found = tools("ldapsearch", "-b", f"cn=a,cn=b,{workplace.base}")
        assert found.returncode == 32
        assert f"Matched DN: {workplace.base}" in found.stdout + found.stderr

    def test_a_filter_that_makes_no_sense_finds_nothing_and_harms_nothing(self, tools, workplace):
        for typed in ("(couleur=bleu)", "(!(couleur=bleu))", "(sn:1.2.3:=x)", "(jpegPhoto=*a*)"):
            found = tools("ldapsearch", "-b", workplace.base, typed, "1.1")
            assert (found.returncode, dns(found.stdout)) == (0, []), typed

    def test_an_unknown_critical_control_is_refused_and_an_uncritical_one_ignored(self, tools, workplace):
        one = ("-b", workplace.base, "-s", "base")
        assert tools("ldapsearch", *one, "-E", "!1.2.3.4", "1.1").returncode == 12
        assert tools("ldapsearch", *one, "-E", "1.2.3.4", "1.1").returncode == 0


class TestTheRest:
    @pytest.fixture(autouse=True)
    def everybody(self, tools, workplace):
        assert tools("ldapadd", input=people(workplace.base)).returncode == 0

    def test_ldapmodrdn_renames_keeps_or_drops_the_old_name_and_moves(self, tools, workplace):
        base = workplace.base
        assert tools("ldapmodrdn", f"cn=Personne 00,{base}", "cn=Nouveau").returncode == 0
        assert workplace.stored("cn=Nouveau")["cn"] == [b"Personne 00", b"Nouveau"]
        assert tools("ldapmodrdn", "-r", f"cn=Personne 01,{base}", f"cn={ESCAPED}").returncode == 0
        assert workplace.stored(f"cn={ESCAPED}")["cn"] == [NAME.encode()]
        below = f"cn=Nouveau,{base}"
        assert tools("ldapmodrdn", "-r", "-s", below, f"cn=Personne 02,{base}", "cn=Dessous").returncode == 0
        assert "cn=Dessous,cn=Nouveau" in workplace.below()
        # A subtree follows its root.
        assert tools("ldapmodrdn", "-r", below, "cn=Encore").returncode == 0
        assert "cn=Dessous,cn=Encore" in workplace.below()
        assert tools("ldapmodrdn", "-r", f"cn=Personne 03,{base}", "cn=personne 04").returncode == 68
        assert tools("ldapmodrdn", "-r", f"cn=Absent,{base}", "cn=Personne 99").returncode == 32
        assert tools("ldapmodrdn", "-r", f"cn=Personne 03,{base}", "description=").returncode == 34
        inside = f"cn=Dessous,cn=Encore,{base}"
        assert tools("ldapmodrdn", "-s", inside, f"cn=Encore,{base}", "cn=Encore").returncode == 53

    def test_ldapdelete_refuses_what_has_children_and_r_and_the_control_do_not(self, tools, workplace):
        base = workplace.base
        unit = "".join(
            f"dn: {rdn}ou={{0}},{{1}}\nobjectClass: organizationalUnit\n\n" for rdn in ("", "ou=dessous,")
        )
        assert tools("ldapadd", input=unit.format("un", base) + unit.format("deux", base)).returncode == 0
        refused = tools("ldapdelete", f"ou=un,{base}")
        assert refused.returncode == 66
        assert tools("ldapdelete", "-r", f"ou=un,{base}").returncode == 0
        assert tools("ldapdelete", "-e", f"!{TREE_DELETE}", f"ou=deux,{base}").returncode == 0
        assert not [name for name in workplace.below() if name.startswith("ou=")]
        assert tools("ldapdelete", f"ou=un,{base}").returncode == 32

    def test_ldapcompare(self, tools, workplace):
        name = f"cn=Personne 00,{workplace.base}"
        encoded = base64.b64encode(b"PERSONNE 00").decode()
        asked = {
            f"cn::{encoded}": 6,
            "sn:a": 6,
            "sn:b": 5,
            "title:b": 16,
            "couleur:b": 17,
            "jpegPhoto:b": 18,
            "entryUUID:b": 21,
        }
        assert {one: tools("ldapcompare", name, one).returncode for one in asked} == asked
        assert tools("ldapcompare", f"cn=Absent,{workplace.base}", "sn:a").returncode == 32

    def test_ldapwhoami_and_ldapexop_say_the_same(self, tools):
        assert tools("ldapwhoami").stdout == f"dn:{serving.ADMIN}\n"
        assert serving.ADMIN in tools("ldapexop", "whoami").stdout
        assert tools("ldapwhoami", who=("", "")).stdout == "anonymous\n"
        assert tools("ldapexop", "1.2.3.4").returncode == 1  # protocolError as the tool tells it

    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ((serving.ADMIN, "wrong"), 49),
            (("cn=nobody,o=apicrypt,c=FR", "wrong"), 49),
            ((serving.ADMIN, ""), 53),
            (("pas un nom", "x"), 49),
        ],
    )
    def test_a_bind_that_fails_says_why_in_one_code(self, tools, who, status):
        assert tools("ldapwhoami", who=who).returncode == status

    def test_ldapvc_is_told_that_there_is_no_such_operation(self, tools):
        done = tools("ldapvc", serving.ADMIN, serving.PASSWORD)
        assert done.returncode != 0
        assert "unknown extended operation 1.3.6.1.4.1.4203.666.6.5" in done.stdout + done.stderr

    def test_strangers_write_nothing(self, tools, workplace):
        before = workplace.below()
        nobody = ("", "")
        name = f"cn=Personne 00,{workplace.base}"
        assert tools("ldapdelete", name, who=nobody).returncode == 50
        assert tools("ldapmodrdn", "-r", name, "cn=x", who=nobody).returncode == 50
        assert (
            tools(
                "ldapadd", who=nobody, input=f"dn: ou=x,{workplace.base}\nobjectClass: organizationalUnit\n"
            ).returncode
            == 50
        )
        assert workplace.below() == before
