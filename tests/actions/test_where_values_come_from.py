"""annuaireSource, which `+` asks for: whoever sees an entry is told where its values come from, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import both_directories as both
import pytest
from told_sources import addresses, shown

from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.domain.domains import Domains
from annuaire.store import engine

STRANGERS = (Audience.PUBLIC, Audience.MSSANTE)
TIMES = {"createTimestamp", "modifyTimestamp"}


@pytest.fixture
def states(tmp_path: Path) -> Iterator[list[StoreSource]]:
    """The invented people; the same with every account on liste rouge; the same without any account."""
    people = both.PEOPLE.read_text("utf-8")
    hidden = tmp_path / "hidden.ldif"
    without = re.sub(r"(?m)^listeRouge:.*\n", "", people)
    hidden.write_text(re.sub(r"(?m)^(apicryptVersion:.*)$", r"\1\nlisteRouge: TRUE", without), "utf-8")
    made = []
    for number, path in enumerate((both.PEOPLE, hidden, None)):
        state = tmp_path / str(number)
        engine.migrate("", state)
        source = StoreSource("", state, both.SUFFIX)
        both.begun(source)
        if path is not None:
            both.import_people(source.store(), path)
        both.load_list(source.store())
        both.import_mailboxes(source.store())
        both.import_activities(source.store())
        made.append(source)
    yield made
    for source in made:
        source.store().close()


def of(source: StoreSource, audience: Audience) -> dict[str, dict[str, list[str]]]:
    """What an audience is shown, but for times: the states were not made in the same second."""
    return {
        name: {key: values for key, values in attributes.items() if key not in TIMES}
        for name, attributes in shown(source, audience).items()
    }


@pytest.mark.parametrize("audience", list(Audience), ids=lambda audience: audience.name)
def test_every_source_is_that_of_a_value_that_the_same_entry_shows(
    states: list[StoreSource], audience: Audience
) -> None:
    seen = of(states[0], audience)
    several = 0
    for name, attributes in seen.items():
        sources = attributes.get("annuaireSource", [])
        assert sources or name in (both.PERSONNES, both.STRUCTURES)
        for line in sources:
            source, _, value = line.partition(" ")
            assert source in ("apicrypt", "mssante", "rpps")
            if value:
                several += 1
                description, _, text = value.partition("=")
                assert text.casefold() in [one.casefold() for one in attributes[description]], (name, line)
    assert several or audience == Audience.ROUTAGE, "nobody of the fixtures is known by several sources"


@pytest.mark.parametrize("audience", STRANGERS, ids=lambda audience: audience.name)
def test_strangers_are_told_nothing_of_an_account_that_is_hidden(
    states: list[StoreSource], audience: Audience
) -> None:
    """Not even that of somebody whose mailboxes and activities they see."""
    open_, hidden, without = (of(source, audience) for source in states)
    assert hidden == without
    assert open_ != without
    # Whom they see is known by an account as well: else this would prove nothing.
    published = [name for name in without if name.endswith(f",{both.PERSONNES}")]
    colleagues = of(states[1], Audience.APICRYPT)
    assert any("apicrypt" in line for name in published for line in colleagues[name]["annuaireSource"])
    assert any("rpps" in line for name in published for line in hidden[name]["annuaireSource"])


def test_apicrypt_is_a_source_for_strangers_only_beside_an_interop_address(
    states: list[StoreSource],
) -> None:
    domains = Domains(states[0].settings.native, states[0].settings.interop, states[0].settings.dgs)
    for audience in (*STRANGERS, Audience.DGS):
        for source in states:
            for attributes in of(source, audience).values():
                told = any(line.startswith("apicrypt") for line in attributes.get("annuaireSource", ()))
                ours = [one for one in attributes.get("mail", ()) if domains.is_ours(one.rpartition("@")[2])]
                assert told == bool(ours)
                assert all(domains.is_interop(one.rpartition("@")[2]) for one in ours)


def test_the_dgs_is_told_of_those_on_liste_rouge_whom_it_must_reach(states: list[StoreSource]) -> None:
    strangers, dgs = (of(states[1], audience) for audience in (Audience.PUBLIC, Audience.DGS))
    more = [name for name in dgs if dgs[name] != strangers.get(name)]
    assert more
    for name in more:
        assert any(line.startswith("apicrypt") for line in dgs[name]["annuaireSource"])
    assert addresses(states[1], Audience.DGS, more[0].partition(",")[0].removeprefix("uid="))
