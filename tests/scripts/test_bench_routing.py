"""What `scripts/bench --routing` asks, and whether its load generator tells the truth about a server that stops."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import make_population
import pytest
from benchmark import envelopes, measuring, servers, targets
from benchmark.envelopes import Correspondents
from waiting import answers, until

from annuaire.domain.envelope import Envelope
from annuaire.ldap import filters, requests
from annuaire.ldap.messages import SearchRequest
from annuaire.postfix import policy, socketmap

SCRIPTS = Path(make_population.__file__).parent
WHO = Correspondents(
    native=[f"personne{number}.INVENTEE@medical59.apicrypt.org" for number in range(50)],
    interop=[f"personne{number}.inventee@interop-mssante.apicrypt.org" for number in range(20)],
    open=[f"personne{number}.INVENTEE@medical59.apicrypt.org" for number in range(20)],
    closed=["parti.INVENTEE@medical59.apicrypt.org"],
    national=[f"docteur{number}@CH-exemple.mssante.fr" for number in range(30)],
    certificates={"ch-exemple.mssante.fr": "mail.operateur-1.example.org"},
)
DRAWN = envelopes.draw(WHO, 3000, 1)


def test_the_same_seed_draws_the_same_envelopes() -> None:
    assert envelopes.draw(WHO, 100, 7) == envelopes.draw(WHO, 100, 7) != envelopes.draw(WHO, 100, 8)


def test_the_shares_of_the_kinds_are_of_a_hundred() -> None:
    assert sum(share for share, _, _ in envelopes._KINDS) == 100


def test_envelopes_go_to_those_who_are_found_and_to_nobody_under_both_addresses_and_elsewhere() -> None:
    reached = WHO.reached()
    recipients = [one.recipient for one in DRAWN]
    assert any(one in WHO.native for one in recipients)
    assert any(one in WHO.interop for one in recipients)
    assert any(one in WHO.national for one in recipients)
    assert any(one.endswith("apicrypt.org") and not envelopes.is_found(one, reached) for one in recipients)
    assert any(one.sender == "" for one in DRAWN)
    assert any(one.sender in WHO.native and not one.authenticated_user for one in DRAWN)


def test_a_policy_request_is_read_as_its_envelope() -> None:
    for number, one in enumerate(DRAWN[:500]):
        (read,) = policy.Decoder().feed(envelopes.policy_request(one, number))
        assert read.state == "RCPT"
        shown = Envelope(
            read.sender, read.recipient, read.sasl_username, read.client_address, read.ccert_subject
        )
        assert shown == one


def test_a_table_is_asked_as_it_is_written() -> None:
    (query,) = socketmap.Decoder().feed(envelopes.socketmap_request("recipient", "a+b@exemple.fr"))
    assert query == ("recipient", "a+b@exemple.fr")


def test_a_search_for_a_recipient_is_what_postfix_sends() -> None:
    operation = requests.decode(envelopes.ldap_request(WHO.native[0])).operation
    assert isinstance(operation, SearchRequest)
    assert filters.format(operation.filter) == f"(mailLocalAddress={WHO.native[0]})"
    assert operation.attributes == (b"mailRoutingAddress",)
    assert operation.size_limit == 0


@pytest.mark.parametrize(
    ("address", "found", "keys"),
    [
        ("a@b.fr", True, ["a@b.fr"]),
        ("a@b.fr", False, ["a@b.fr", "@b.fr"]),
        ("a+resultats@b.fr", True, ["a+resultats@b.fr", "a@b.fr"]),
        ("a+resultats@b.fr", False, ["a+resultats@b.fr", "a@b.fr", "@b.fr"]),
    ],
)
def test_a_table_is_asked_for_less_and_less_until_something_is_found(
    address: str, found: bool, keys: list[str]
) -> None:
    assert envelopes.partial_keys(address, found) == keys


def test_one_message_asks_each_table_that_the_configuration_names() -> None:
    inside = Envelope(WHO.native[0], WHO.native[1], WHO.native[0])
    assert envelopes.table_queries(inside, WHO.reached()) == [
        ("domain", "medical59.apicrypt.org"),
        ("login", WHO.native[0]),
        ("recipient", WHO.native[1]),
        ("recipient", WHO.native[0]),
        ("transport", WHO.native[1]),
    ]


def test_addresses_are_read_of_an_export_whatever_its_folding(tmp_path: Path) -> None:
    shown = tmp_path / "shown.ldif"
    shown.write_text(
        "dn: uid=a-1\nmailLocalAddress: jean.DUPONT@medical59.apicrypt.org\nmailLocalAddress: jean.dupo\n"
        " nt@interop-mssante.apicrypt.org\nmailRoutingAddress: jean.DUPONT@medical59.apicrypt.org\n\n"
        "dn: uid=a-2\nmailLocalAddress: inès.petit@medical59.apicrypt.org\n\n",
        encoding="utf-8",
    )
    assert envelopes.read_ours(shown) == (
        ["jean.DUPONT@medical59.apicrypt.org", "inès.petit@medical59.apicrypt.org"],
        ["jean.dupont@interop-mssante.apicrypt.org"],
        ["jean.DUPONT@medical59.apicrypt.org"],
    )


def test_each_domain_has_the_name_that_is_listed_first(tmp_path: Path) -> None:
    path = tmp_path / "liste.xml"
    path.write_text(
        "<Domaine><Nom>UC-Exemple.mssante.fr</Nom><Description>x</Description>"
        "<DNCertificatOperateur>CN=un.example.org,OU=1,C=FR</DNCertificatOperateur></Domaine>\n"
        "<Domaine><Nom>UC-Exemple.mssante.fr</Nom><Description>x</Description>"
        "<DNCertificatOperateur>CN=deux.example.org,OU=1,C=FR</DNCertificatOperateur></Domaine>"
    )
    assert envelopes.read_certificates(path) == {"uc-exemple.mssante.fr": "un.example.org"}


# ---------------------------------------------------------------- the generator


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    target = tmp_path_factory.mktemp("mailload") / "mailload"
    measuring.compile_generator(compiler, SCRIPTS / "mailload.c", target)
    return target


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("policy", "socketmap")}
    envelopes.write_requests(made["policy"], [envelopes.policy_request(DRAWN[0], 0)] * 3)
    envelopes.write_requests(made["socketmap"], [envelopes.socketmap_request("domain", "a.fr")] * 3)
    return made


def ran(generator: Path, port: int, name: str, requests: Path, *more: str) -> dict:
    command = [str(generator), "127.0.0.1", str(port), name, str(requests), *more]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)


def test_requests_are_read_as_they_were_written(files: dict[str, Path]) -> None:
    assert list(envelopes.read_requests(files["socketmap"])) == [b"11:domain a.fr,"] * 3


@pytest.mark.parametrize(("name", "word"), [("policy", "action=DUNNO"), ("socketmap", "NOTFOUND")])
def test_the_generator_counts_what_it_was_answered(
    generator: Path, files: dict[str, Path], name: str, word: str
) -> None:
    port = servers.free_port()
    with subprocess.Popen([str(generator), "--null", str(port), name]) as process:
        try:
            until(lambda: answers(port))
            flat_out = ran(generator, port, name, files[name], "5", "0.3")
            at_a_rate = ran(generator, port, name, files[name], "5", "0.5", "1000")
        finally:
            process.kill()
    assert flat_out["requests"] > 50
    assert set(flat_out["answers"]) == {word}
    assert 0 < flat_out["p50"] <= flat_out["p95"] <= flat_out["p99"] <= flat_out["max"]
    # What is due when the generator sleeps through the end is not asked, but charged; more is never asked.
    assert 50 < sum(at_a_rate["answers"].values()) <= 500
    assert at_a_rate["unanswered"] == 0


@pytest.fixture
def server_that_stops() -> Iterator[int]:
    """Answers at once, but for one pause of 0.4 s after 0.3 s."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        began, paused = time.monotonic(), False
        with connection:
            while connection.recv(65_536):
                if not paused and time.monotonic() - began > 0.3:
                    paused = True
                    time.sleep(0.4)
                connection.sendall(b"9:NOTFOUND ,")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(60)
    listener.close()


def test_a_pause_of_the_server_is_charged_for_all_that_was_due_meanwhile(
    generator: Path, files: dict[str, Path], server_that_stops: int
) -> None:
    run = ran(generator, server_that_stops, "socketmap", files["socketmap"], "1", "1", "500")
    # Four tenths of what was due waited, on the average half of the pause; asked in turn, one alone would have.
    assert run["p95"] > 200
    assert run["max"] >= 350
    assert 50 < sum(run["answers"].values()) <= 500


def test_the_generator_refuses_what_it_cannot_use(generator: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for arguments in (["policy", str(empty), "1", "1"], ["milter", str(empty), "1", "1"]):
        done = subprocess.run([str(generator), "127.0.0.1", "1", *arguments], capture_output=True)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith(b"mailload: ")


def test_a_target_is_met_at_its_very_value_and_missed_beyond() -> None:
    assert targets.at_least("answers", 8000, 8000).met
    assert not targets.at_least("answers", 7999, 8000).met
    assert targets.at_most("p99", 5.0, 5.0).met
    assert not targets.at_most("p99", 5.1, 5.0).met
    missed = [targets.at_most("p99", 5.1, 5.0)]
    assert targets.status(missed, checked=True) == 1
    assert targets.status(missed, checked=False) == 0
    assert targets.status([targets.at_most("p99", 4, 5.0)], checked=True) == 0
    assert "MISSED" in str(missed[0])
