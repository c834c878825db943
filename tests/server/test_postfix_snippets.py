"""The README's lines for Postfix are those that the tests run on one: fixtures/postfix, without their comments."""

import tomllib
from pathlib import Path

import pytest

from annuaire import config as configuration

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = ROOT / "fixtures" / "postfix"


def lines(name: str) -> str:
    kept = [line for line in (SNIPPETS / name).read_text().splitlines() if line.strip()]
    return "\n".join(line for line in kept if not line.lstrip().startswith("#"))


@pytest.mark.parametrize("name", ["main.cf", "master.cf", "annuaire.toml", "ldap/annuaire-recipients.cf"])
def test_the_readme_shows_the_lines_that_are_tried(name: str) -> None:
    blocks = (ROOT / "README.md").read_text().split("\n```")
    assert lines(name) in [block.partition("\n")[2] for block in blocks]


def test_what_annuaire_is_told_is_what_it_listens_to_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "annuaire.toml"
    path.write_text((SNIPPETS / "annuaire.toml").read_text())
    told, defaults = configuration.load(path, {}), configuration.load(None, {})
    assert (told.listen.policy, told.listen.socketmap) == (defaults.listen.policy, defaults.listen.socketmap)
    assert told.routing.transport_mssante == defaults.routing.transport_mssante
    assert told.routing.require_certificate
    assert tomllib.loads(path.read_text()).keys() == {"listen", "routing"}
