"""`annuaire migrate` says what it did."""

from click.testing import CliRunner

from annuaire.cli import main
from annuaire.store import tables


def test_tables_are_migrated_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(main, ["migrate"])
    assert first.exit_code == 0, first.output
    assert f"de la révision aucune à la révision {tables.REVISION}" in first.stdout
    assert "déjà" in CliRunner().invoke(main, ["migrate"]).stdout


def test_a_server_that_does_not_answer_is_temporary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNUAIRE_STORE_URL", "postgresql://someone:hidden-word@127.0.0.1:1/x")
    done = CliRunner().invoke(main, ["migrate"])
    assert done.exit_code in (75, 78)  # 78 where the driver is not installed
    assert "hidden-word" not in done.output
