"""`annuaire route` and `annuaire diffusion` as a person or a program runs them."""

import json

import pytest
import states

LIST = states.FIXTURES / "liste_blanche"
JEAN, JEAN_INTEROP = "jean.DUPONT@medical59.apicrypt.org", "jean.dupont@interop-mssante.apicrypt.org"
MEMBER, STRANGER, DGS = "marie@medecin.mssante.fr", "quelqu.un@example.org", "alerte@dgs.mssante.fr"
KEYS = ["verdict", "reason", "status", "reply", "sender_as", "recipient_as", "encoding", "steps"]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    made = tmp_path_factory.mktemp("route") / "var"
    states.imported(made, states.PEOPLE)
    done = states.run(made, "liste-blanche", "load", LIST / "signed.xml", "--ca", LIST / "ca.pem")
    assert done.exit_code == 0, done.output
    return made


@pytest.fixture
def route(state):
    def decided(sender, recipient, *arguments, **variables):
        done = states.run(
            state, "route", "--from", sender, "--to", recipient, "--json", *arguments, **variables
        )
        assert (done.exit_code, done.stderr) == (0, "")
        said = json.loads(done.stdout)
        assert list(said) == KEYS
        assert all(list(step) == ["condition", "held"] for step in said["steps"])
        return said

    return decided


def only(said, *keys):
    return tuple(said[key] for key in keys)


def test_what_leaves_for_the_trust_space_leaves_under_the_interop_address(route):
    said = route(JEAN, MEMBER)
    assert only(said, *KEYS[:-1]) == (
        "relay",
        "vers_l_espace",
        "2.1.5",
        "DUNNO",
        JEAN_INTEROP,
        MEMBER,
        None,
    )


def test_what_comes_from_there_arrives_under_the_native_one(route):
    said = route(MEMBER, JEAN_INTEROP)
    assert only(said, "verdict", "sender_as", "recipient_as", "encoding") == ("deliver", MEMBER, JEAN, "V2")
    assert route(DGS, JEAN_INTEROP)["reason"] == "de_la_dgs"
    assert route("<>", JEAN_INTEROP)["sender_as"] == route("", JEAN_INTEROP)["sender_as"] == ""


def test_a_refusal_exits_0_and_tells_what_is_told_outside(route):
    said = route(STRANGER, JEAN_INTEROP)
    assert only(said, "verdict", "reason", "status") == ("refuse", "hors_espace", "5.7.1")
    assert only(said, "sender_as", "recipient_as", "encoding") == (None, None, None)
    assert said["reply"].startswith("550 5.7.1 ")
    assert route(MEMBER, JEAN)["reply"] == "550 5.1.1 No such recipient"


def test_the_client_is_believed_unless_one_says_otherwise(route):
    required = {"ANNUAIRE_ROUTING_REQUIRE_CERTIFICATE": "true"}
    assert route(JEAN, MEMBER, "--unauthenticated")["reason"] == "expediteur_non_authentifie"
    assert route(f"<{JEAN}>", MEMBER)["verdict"] == "relay"
    assert route(MEMBER, JEAN_INTEROP, **required)["verdict"] == "deliver"
    assert route(MEMBER, JEAN_INTEROP, "--unauthenticated", **required)["reason"] == "certificat_absent"
    assert route(MEMBER, JEAN_INTEROP, "--unauthenticated")["verdict"] == "deliver"


def test_a_certificate_is_held_against_the_list(state, route):
    listed = {
        route("x@ch-exemple.mssante.fr", JEAN_INTEROP, "--certificate", name)["reason"]
        for name in ("faux.example.org", "CN=faux.example.org,C=FR", "=")
    }
    assert listed == {"certificat_inconnu"}
    shown = states.run(state, "liste-blanche", "show", "dgs.mssante.fr", "--json")
    names = [row["certificate"] for row in json.loads(shown.stdout)]
    assert len(names) == 3
    for name in names:
        assert route(DGS, JEAN_INTEROP, "--certificate", name)["reason"] == "de_la_dgs"
        assert route(MEMBER, JEAN_INTEROP, "--certificate", name)["reason"] == "certificat_inconnu"


def test_a_client_of_our_networks_may_use_our_addresses(route):
    own = {"ANNUAIRE_ROUTING_OWN_NETWORKS": '["10.0.0.0/8"]'}
    assert route(JEAN, MEMBER, "--unauthenticated", "--client", "10.1.2.3", **own)["verdict"] == "relay"
    assert route(JEAN, MEMBER, "--unauthenticated", "--client", "11.1.2.3", **own)["verdict"] == "refuse"
    assert route("", JEAN, "--client", "10.1.2.3", **own)["reason"] == "dans_la_sphere"


def test_a_person_reads_every_step_in_french(state):
    done = states.run(state, "route", "--from", MEMBER, "--to", JEAN)
    assert done.exit_code == 0
    assert "oui  le domaine de l'expéditeur est sur la liste blanche\n" in done.stdout
    assert "non  l'adresse native sert aussi à l'espace de confiance\n" in done.stdout
    assert "Refusé : L'adresse native ne sert que dans la sphère" in done.stdout
    assert "Réponse au serveur de messagerie : 550 5.1.1 No such recipient\n" in done.stdout
    assert "L'expéditeur n'en lit pas plus" in done.stdout
    passed = states.run(state, "route", "--from", JEAN, "--to", JEAN_INTEROP).stdout
    assert f"De {JEAN} à {JEAN}, en V2." in passed
    assert "n'en lit pas plus" not in passed


def test_nothing_that_is_typed_steers_the_terminal_or_is_taken_for_markup(state):
    done = states.run(state, "route", "--from", "\x1b[31m[bold]x", "--to", "y")
    assert done.exit_code == 0
    assert "De �[31m[bold]x à y\n" in done.stdout


def test_without_a_liste_blanche_what_needs_it_waits(tmp_path):
    states.imported(tmp_path / "var", states.PEOPLE)
    done = states.run(tmp_path / "var", "route", "--from", JEAN, "--to", MEMBER, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["verdict"], said["reason"]) == (0, "defer", "liste_blanche_absente")


@pytest.mark.parametrize("recipient", [JEAN, "pas une adresse"])
def test_without_an_index_nothing_is_answered(tmp_path, recipient):
    done = states.run(tmp_path / "var", "route", "--from", "pas une adresse", "--to", recipient, "--json")
    assert (done.exit_code, done.stdout) == (75, "")
    assert "annuaire rebuild" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--from", JEAN], ["--to", JEAN]])
def test_both_ends_must_be_said(state, arguments):
    assert states.run(state, "route", *arguments).exit_code == 2


# ---------------------------------------------------------------- whom the DGS reaches


@pytest.fixture(scope="module")
def accounts(state):
    """Every account that was ever given an interop address, as an export writes it."""
    text = states.run(state, "export").stdout.replace("\n ", "")
    entries = [
        dict(line.split(": ", 1) for line in entry.split("\n") if ": " in line)
        for entry in text.split("\n\n")
    ]
    return [entry for entry in entries if "apicryptInteropMail" in entry]


def test_the_dgs_reaches_exactly_those_to_whom_its_messages_are_delivered(state, route, accounts):
    done = states.run(state, "diffusion", "dgs")
    reached = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert reached == sorted(set(reached))
    known = {entry["apicryptInteropMail"] for entry in accounts}
    delivered = {address for address in known if route(DGS, address)["verdict"] == "deliver"}
    assert delivered == set(reached)
    assert len(known) > len(delivered) > 30


def test_the_dgs_reaches_people_on_liste_rouge(state, accounts):
    red = {entry["apicryptInteropMail"] for entry in accounts if entry["listeRouge"] == "TRUE"}
    assert red & set(states.run(state, "diffusion", "dgs").stdout.splitlines())


def test_the_list_is_one_json_value_or_a_private_file(state, tmp_path):
    plain = states.run(state, "diffusion", "dgs").stdout
    assert json.loads(states.run(state, "diffusion", "dgs", "--json").stdout) == plain.splitlines()
    done = states.run(state, "diffusion", "dgs", "--output", tmp_path / "dgs.txt")
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"{len(plain.splitlines())} adresses" in done.stderr
    assert (tmp_path / "dgs.txt").read_text() == plain
    assert (tmp_path / "dgs.txt").stat().st_mode & 0o777 == 0o600


def test_there_is_one_list_and_it_needs_the_base(state, tmp_path):
    assert states.run(state, "diffusion", "arc").exit_code == 2
    assert states.run(state, "diffusion").exit_code == 2
    done = states.run(tmp_path / "var", "diffusion", "dgs")
    assert (done.exit_code, done.stdout) == (1, "")
