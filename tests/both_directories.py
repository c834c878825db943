"""The invented people of both networks in one state: our accounts, the national files, the liste blanche."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from annuaire.actions import import_records, import_source, initialise, load_liste_blanche
from annuaire.actions.source import StoreSource
from annuaire.domain.domains import Domains
from annuaire.ldap import schema as schemas
from annuaire.ldap import tree
from annuaire.store.engine import Store

SUFFIX = "o=apicrypt,c=FR"
PERSONNES, STRUCTURES = f"ou=personnes,{SUFFIX}", f"ou=structures,{SUFFIX}"
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
PEOPLE = FIXTURES / "apicrypt.ldif"
MAILBOXES = FIXTURES / "mssante" / "Extraction_Correspondance_MSSante_202611220600.txt"
NEXT_MAILBOXES = FIXTURES / "mssante" / "Extraction_Correspondance_MSSante_202611230600.txt"
ACTIVITIES = FIXTURES / "mssante" / "PS_LibreAcces_Personne_activite_202611220600.txt"
LISTE_BLANCHE = FIXTURES / "liste_blanche" / "unsigned.xml"
# Of the loading: the list is of the 2nd.
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def begun(source: StoreSource) -> None:
    """The entries that always exist."""
    initialise.initialise(source.store(), tree.plant(SUFFIX, (), source.schema()), source.schema())


def import_people(store: Store, path: Path = PEOPLE) -> None:
    scope = import_source.Scope(tuple(schemas.shipped()), SUFFIX)
    with path.open("rb") as stream:
        report = import_source.import_ldif(store, scope, stream, name=path.name, processes=0)
    assert report.applied, report.refusals


def import_mailboxes(store: Store, path: Path = MAILBOXES) -> None:
    settings = StoreSource("", store.state, SUFFIX).settings
    ours = Domains(settings.native, settings.interop, settings.dgs)
    with path.open("rb") as stream:
        import_records.import_mailboxes(
            store, stream, name=path.name, is_interop=ours.is_interop, removals_max=100
        )


def import_activities(store: Store, path: Path = ACTIVITIES) -> None:
    with path.open("rb") as stream:
        import_records.import_activities(store, stream, name=path.name, removals_max=100)


def load_list(store: Store, path: Path = LISTE_BLANCHE) -> None:
    load_liste_blanche.load(
        store,
        path.read_bytes(),
        name=path.name,
        vouching=load_liste_blanche.Vouching(unsigned=True),
        now=NOW,
        guard=load_liste_blanche.Guard(accepted=True),
    )


def filled(source: StoreSource) -> None:
    """All of it, in the order in which an operator would."""
    begun(source)
    import_people(source.store())
    load_list(source.store())
    import_mailboxes(source.store())
    import_activities(source.store())
