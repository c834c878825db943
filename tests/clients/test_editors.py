"""People who edit the directory as text: ldapvi and shelldap, whose editor is a program of the test's own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import serving
from workplace import ESCAPED, NAME, PEOPLE, Workplace, program, run

HERE = Path(__file__).parent
FIRST = "cn=Personne 00"


@pytest.fixture
def people(workplace: Workplace) -> Workplace:
    for number in range(PEOPLE):
        attributes = {"objectClass": [b"inetOrgPerson"], "sn": [b"abcdefghij"[number % 10 : number % 10 + 1]]}
        workplace.add(f"cn=Personne {number:02}", attributes)
    return workplace


def editing(folder: Path, code: str) -> dict[str, str]:
    """An environment whose editor does something with `text`, the file that it is given."""
    editor = folder / "editor.py"
    editor.write_text(
        f"#!{sys.executable}\nimport pathlib, re, sys\npath = pathlib.Path(sys.argv[-1])\n"
        f"text = path.read_text()\n{code}\npath.write_text(text)\n"
    )
    editor.chmod(0o700)
    variables = {"EDITOR": str(editor), "VISUAL": str(editor), "HOME": str(folder), "TERM": "dumb"}
    return {**variables, "LC_ALL": "C.UTF-8", "LDAPNOINIT": "", "PATH": "/usr/bin:/bin"}


def on_a_terminal(command: list[str], environment: dict[str, str], typed: str = "") -> tuple[int, str]:
    """Run a program that insists on a person: its exit status and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux tells that nobody is at the other end any more
        pass
    os.close(ours)
    return process.wait(60), shown.decode()


def ldapvi(place: Workplace, *arguments: str) -> list[str]:
    who = ["--bind", "simple", "-D", serving.ADMIN, "-w", serving.PASSWORD]
    return [program("ldapvi"), "-h", place.server.uri, *who, "--noquestions", *arguments]


class TestLdapvi:
    def test_what_is_written_in_the_editor_is_done(self, people, tmp_path):
        backslash = "\\\\\\\\"  # its own escape of a name's escape, in a literal of the editor
        environment = editing(
            tmp_path,
            "assert text.count('objectClass: inetOrgPerson') == 10\n"
            "text = text.replace('sn: a', 'sn: Changé', 1)\n"
            # An entry that is taken out of the text is deleted, one whose name is altered renamed.
            "text = re.sub(r'\\n\\d+ cn=Personne 01,(.|\\n)*?\\n\\n', '\\n', text)\n"
            "text = re.sub(r'(\\n\\d+ )cn=Personne 02,', r'\\1cn=Renommé,', text)\n"
            "text = text.replace('cn: Personne 02', 'cn: Renommé')\n"
            f"text += '\\nadd cn={ESCAPED.replace(chr(92), backslash)},{people.base}\\n'\n".replace(
                "d'", "d\\'"
            )
            + f'text += "objectClass: inetOrgPerson\\ncn: {NAME}\\nsn: Neuf\\njpegPhoto:: /9j/4AAQ\\n"\n',
        )
        status, shown = on_a_terminal(
            ldapvi(people, "-b", people.base, "(&(cn=Personne 0*)(!(sn=z)))"), environment
        )
        assert "add: 1, rename: 1, modify: 1, delete: 1" in shown, shown
        assert status == 0, shown
        below = people.below()
        assert len(below) == PEOPLE
        assert "cn=Personne 01" not in below
        assert people.stored(FIRST)["sn"] == ["Changé".encode()]
        assert people.stored("cn=Renommé")["cn"] == ["Renommé".encode()]
        stored = people.stored(f"cn={ESCAPED}")
        assert (stored["cn"], stored["jpegPhoto"]) == ([NAME.encode()], [b"\xff\xd8\xff\xe0\x00\x10"])

    def test_a_refusal_is_shown_and_nothing_is_lost(self, people, tmp_path):
        environment = editing(tmp_path, "text = text.replace('sn: a', 'title: a', 1)")
        # It asks what to do with the rest; whoever quits has changed nothing.
        _, shown = on_a_terminal(
            ldapvi(people, "-b", f"{FIRST},{people.base}", "-s", "base"), environment, "Q"
        )
        assert "Object class violation (65)" in shown
        assert "sn is missing" in shown
        assert people.stored(FIRST)["sn"] == [b"a"]

    def test_changes_in_ldif_are_loaded_from_a_file(self, people, tmp_path):
        file = tmp_path / "changes"
        file.write_text(
            f"dn: {FIRST},{people.base}\nchangetype: modify\nadd: title\ntitle: Docteur\n-\n"
            f"replace: sn\nsn: Neuf\n-\n\n"
            f"dn: cn=Personne 01,{people.base}\nchangetype: modrdn\nnewrdn: cn=Un\ndeleteoldrdn: 1\n\n"
            f"dn: cn=Personne 02,{people.base}\nchangetype: delete\n"
        )
        environment = editing(tmp_path, "")
        done = run(ldapvi(people, "--in", "--ldif", str(file)), env=environment)
        assert done.returncode == 0, done.stderr
        assert people.stored(FIRST)["title"] == [b"Docteur"]
        assert people.stored(FIRST)["sn"] == [b"Neuf"]
        assert {"cn=Un", "cn=Personne 03"} <= set(people.below())
        assert "cn=Personne 02" not in people.below()

    def test_behind_starttls_what_was_read_is_the_same(self, people, authority, tmp_path):
        base = ("-b", people.base, "--out", "(cn=Personne 0*)")
        variables = editing(tmp_path, "")
        plain = run(ldapvi(people, *base), env=variables)
        trusting = {**variables, "LDAPCONF": "/dev/null", "LDAPTLS_CACERT": str(authority / "ca.pem")}
        del trusting["LDAPNOINIT"]
        secure = run(ldapvi(people, "-Z", *base), env=trusting)
        assert (secure.returncode, secure.stdout) == (0, plain.stdout), secure.stderr
        assert secure.stdout.count("dn:") == 10

    def test_naming_contexts_are_discovered_without_a_bind(self, people, tmp_path):
        command = [program("ldapvi"), "--out", "--discover", "-h", people.server.uri, "(ou=personnes)"]
        done = run(command, env=editing(tmp_path, ""), stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        assert f"dn: ou=personnes,{serving.SUFFIX}" in done.stdout


class TestShelldap:
    @pytest.fixture
    def shell(self, people, tmp_path):
        """Type lines into the shell; what it shows."""
        configuration = tmp_path / "shelldap.yml"
        configuration.write_text(
            f"server: {people.server.uri}\nbinddn: {serving.ADMIN}\nbindpass: {serving.PASSWORD}\n"
            f"basedn: {people.base}\n"
        )

        def type_in(*lines: str, code: str = "") -> str:
            command = [program("shelldap"), "-f", str(configuration)]
            done = run(command, env=editing(tmp_path, code), input="\n".join(lines) + "\n")
            assert done.returncode == 0, done.stderr
            return done.stdout

        return type_in

    def test_one_walks_lists_and_reads(self, shell, people):
        shown = shell("pwd", "whoami", "ls", f"cat '{FIRST}'", "grep sn=b", "inspect inetOrgPerson")
        assert people.base in shown
        assert serving.ADMIN in shown
        assert shown.count("- cn=Personne") == PEOPLE
        assert "sn: a" in shown
        assert "jpegPhoto (optional, multivalue)" in shown
        assert "sn (required, multivalue)" in shown
        assert "inetOrgPerson (structural) --> organizationalPerson" in shown

    def test_behind_tls_it_is_the_same(self, shell, people, authority, tmp_path):
        configuration = tmp_path / "shelldap.yml"
        trusted = f"tls: yes\ntls_cacert: {authority / 'ca.pem'}\n"
        configuration.write_text(configuration.read_text() + trusted)
        assert serving.ADMIN in shell("whoami")
        assert shell("ls").count("- cn=Personne") == PEOPLE

    def test_one_makes_moves_copies_edits_and_removes(self, shell, people):
        shown = shell(
            "mkdir Lille", f"mv '{FIRST}' cn=Ailleurs,ou=Lille,{people.base}", "cp 'cn=Personne 04' cn=Copie"
        )
        assert shown.count("Success") == 3, shown
        assert people.stored("cn=Ailleurs,ou=Lille")["sn"] == [b"a"]
        assert people.stored("cn=Copie")["cn"] == [b"Copie"]
        # It compares line by line, and takes one alteration an edit.
        assert "Success" in shell("edit cn=Copie", code="text = text.replace('sn: e', 'sn: Édité')")
        assert "Success" in shell("edit cn=Copie", code="text = text.replace('# title:', 'title: Docteur')")
        stored = people.stored("cn=Copie")
        assert (stored["sn"], stored["title"]) == (["Édité".encode()], [b"Docteur"])
        filled = (
            "text = text.replace('???', 'cn=Neuf').replace('cn: ', 'cn: Neuf').replace('sn: ', 'sn: Neuf')"
        )
        shown = shell("touch inetOrgPerson", code=filled)
        assert "Success" in shown
        assert people.stored("cn=Neuf")["sn"] == [b"Neuf"]
        # It reads the answer to its question and all that was typed behind it.
        assert "entries lie below it" in shell("rm ou=Lille", "y")
        assert "Success" in shell("rm cn=Neuf", "y")
        assert people.stored("cn=Neuf") is None
