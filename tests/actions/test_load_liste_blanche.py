"""A list replaces the one before: verified, guarded against shrinking, in one transaction, recorded."""

from datetime import UTC, datetime, timedelta

import make_liste_blanche as making
import pytest
import store_places

from annuaire.actions import load_liste_blanche
from annuaire.actions.load_liste_blanche import Guard, Report, Vouching
from annuaire.errors import Malformed, Refused

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
OPERATOR = "CN=mx.operateur.example,OU=1990000028,O=OPERATEUR,C=FR"
ANYTHING = Guard(accepted=True)


def listing(*domains: str, date: str = "2026-11-02T03:15:00Z", certificate: str = OPERATOR) -> bytes:
    rows = "".join(
        f"<Domaine><Nom>{name}</Nom><DNCertificatOperateur>{certificate}</DNCertificatOperateur></Domaine>"
        for name in domains
    )
    return (
        "<ListeBlancheMSSante xmlns='https://listeblanche.mssante.fr/schema'>"
        f"<DateDeGeneration>{date}</DateDeGeneration><ListeDomaines>{rows}</ListeDomaines></ListeBlancheMSSante>"
    ).encode()


TWENTY = [f"d{one:02}.mssante.fr" for one in range(20)]


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


@pytest.fixture(scope="module")
def root():
    return making.authority("AC RACINE")


def load(store, data: bytes, vouching: Vouching = Vouching(unsigned=True), **options) -> Report:  # noqa: B008
    given = {"name": "liste.xml", "actor": "cn=admin", "now": NOW, **options}
    return load_liste_blanche.load(store, data, vouching=vouching, **given)


def listed(store) -> set[str]:
    with store.reading() as reader:
        return {row.domain for row in reader.domains()}


def head(store) -> int:
    with store.reading() as reader:
        return reader.head()


def signed(by: making.Holder, *domains: str) -> bytes:
    return making.sign(listing(*domains).decode(), by).encode()


def test_a_first_list_is_taken_whole_and_told_as_everything(store):
    report = load(store, listing(*TWENTY))
    assert (report.added, report.changed, report.unchanged, report.removed) == (20, 0, 0, 0)
    assert (report.domains, report.rows, report.applied) == (20, 20, True)
    assert listed(store) == set(TWENTY)
    with store.reading() as reader:
        assert [change.kind for change in reader.changes_since(0, 10)] == ["everything"]
        assert reader.liste_blanche() == {
            "generated": "20261102031500Z",
            "loaded_at": "20261123100000Z",
            "signer": "",
            "rows": 20,
            "domains": 20,
        }


def test_the_same_list_twice_changes_nothing_and_is_recorded_twice(store):
    load(store, listing(*TWENTY))
    before = head(store)
    report = load(store, listing(*TWENTY), now=NOW + timedelta(days=1))
    assert (report.added, report.changed, report.unchanged, report.removed) == (0, 0, 20, 0)
    assert head(store) == before == report.change_number
    with store.reading() as reader:
        assert reader.liste_blanche()["loaded_at"] == "20261124100000Z"
        assert [(row.source, row.applied, row.unchanged) for row in reader.imports()] == [
            ("liste.xml", True, 20),
            ("liste.xml", True, 0),
        ]


def test_each_domain_whose_listing_changed_is_one_change(store):
    load(store, listing(*TWENTY))
    before = head(store)
    other = listing("d00.mssante.fr", certificate="CN=autre.example").decode()
    row = other[other.index("<Domaine>") : other.index("</ListeDomaines>")]
    text = (
        listing(*TWENTY[:-1], "neuf.mssante.fr")
        .decode()
        .replace("</ListeDomaines>", f"{row}</ListeDomaines>")
    )
    report = load(store, text.encode())
    assert (report.added, report.changed, report.unchanged, report.removed) == (1, 1, 18, 1)
    with store.reading() as reader:
        changes = reader.changes_since(before, 10)
        assert len(reader.domain("d00.mssante.fr")) == 2
    assert [(change.kind, change.holder) for change in changes] == [
        ("domain", "d00.mssante.fr"),
        ("domain", "d19.mssante.fr"),
        ("domain", "neuf.mssante.fr"),
    ]


@pytest.mark.parametrize(
    ("kept", "removals", "fits"), [(18, 10, True), (17, 10, False), (17, 15, True), (19, 0, False)]
)
def test_a_list_that_lost_more_than_the_share_is_refused(store, kept, removals, fits):
    load(store, listing(*TWENTY))
    if fits:
        assert load(store, listing(*TWENTY[:kept]), guard=Guard(removals)).removed == 20 - kept
        return
    before = head(store)
    with pytest.raises(Refused, match="--accept-removals"):
        load(store, listing(*TWENTY[:kept]), guard=Guard(removals))
    assert listed(store) == set(TWENTY)
    assert head(store) == before
    assert load(store, listing(*TWENTY[:kept]), guard=Guard(removals, accepted=True)).removed == 20 - kept


def test_a_dry_run_says_the_same_and_writes_nothing(store):
    report = load(store, listing(*TWENTY), dry_run=True)
    assert (report.added, report.applied) == (20, False)
    with store.reading() as reader:
        assert reader.liste_blanche() is None
        assert reader.imports() == []
    assert listed(store) == set()
    load(store, listing(*TWENTY))
    with pytest.raises(Refused, match="20 domaines sur 20"):
        load(store, listing("autre.mssante.fr"), dry_run=True)


def test_an_older_list_is_taken_with_a_warning(store):
    load(store, listing(*TWENTY))
    report = load(store, listing(*TWENTY, date="2026-11-02T03:14:59Z"))
    assert report.applied
    assert [one for one in report.warnings if "plus ancienne" in one]
    assert not [one for one in load(store, listing(*TWENTY)).warnings if "plus ancienne" in one]


def test_a_list_of_the_future_and_one_without_our_domains_are_worth_a_word(store):
    report = load(
        store, listing(*TWENTY, date="2026-11-25T00:00:00Z"), ours=["D00.mssante.fr", "nous.example"]
    )
    assert [one.split(" :")[0] for one in report.warnings] == [
        "liste prise sans vérifier de signature",
        "cette liste est datée de l'avenir (25/11/2026 00:00)",
        "nous.example n'est pas sur cette liste",
    ]


def test_refused_rows_are_recorded_with_their_lines(store, fixtures):
    report = load(store, (fixtures / "liste_blanche" / "odd_rows.xml").read_bytes())
    assert (report.refused, report.applied) == (6, True)
    with store.reading() as reader:
        kept = reader.refusals(reader.imports()[0].id)
    assert kept == list(report.refusals)
    assert (kept[0].line, kept[0].dn) == (6, "*.joker.mssante.fr")


def test_a_signed_list_is_recorded_with_its_signer(store, root):
    report = load(store, signed(making.signer(root), *TWENTY), Vouching(root.pem), now=None)
    assert "CN=liste-blanche.essai.example" in report.signer
    assert report.warnings == ()
    with store.reading() as reader:
        assert reader.liste_blanche()["signer"] == report.signer


def test_a_refused_signature_leaves_the_list_that_was_there(store, root):
    load(store, listing(*TWENTY))
    for data, vouching in [
        (listing(*TWENTY), Vouching(root.pem)),
        (signed(making.signer(root), *TWENTY), Vouching()),
        (signed(making.signer(making.authority("AC RACINE")), *TWENTY), Vouching(root.pem)),
    ]:
        with pytest.raises(Refused):
            load(store, data, vouching, now=None)
    with pytest.raises(Malformed, match="--ca"):
        load(store, signed(making.signer(root), *TWENTY), Vouching(b"nonsense"), now=None)
    with store.reading() as reader:
        assert len(reader.imports()) == 1


def test_once_a_list_was_taken_only_its_signer_makes_the_next(store, root):
    """The authority certifies every operator: any of them could sign a list."""
    vouching = Vouching(root.pem)
    load(store, signed(making.signer(root), *TWENTY), vouching, now=None)
    # The certificate is renewed, the name stays.
    load(store, signed(making.signer(root), *TWENTY), vouching, now=None)
    other = signed(making.signer(root, "operateur.example"), *TWENTY)
    with pytest.raises(Refused, match="--signer"):
        load(store, other, vouching, now=None)
    with pytest.raises(Refused, match="demandé par --signer"):
        load(store, other, vouching._replace(signer=making.SIGNER), now=None)
    assert "operateur" in load(store, other, vouching._replace(signer="Operateur.example"), now=None).signer
    with pytest.raises(Refused):
        load(store, signed(making.signer(root), *TWENTY), vouching, now=None)


def test_what_was_loaded_is_told_once_it_is_there(store):
    told = []
    load(store, listing(*TWENTY), told=lambda kind, **fields: told.append((kind, fields, listed(store))))
    load(store, listing(*TWENTY[:19]), dry_run=True, told=lambda kind, **fields: told.append(kind))
    (kind, fields, there), *others = told
    assert (kind, others, there) == ("liste-blanche", [], set(TWENTY))
    assert (fields["rows"], fields["domains"], fields["signer"], fields["actor"]) == (20, 20, "", "cn=admin")


def test_a_first_list_may_be_told_who_must_have_signed_it(store, root):
    data = signed(making.signer(root), *TWENTY)
    with pytest.raises(Refused, match=r"pas par alb\.example"):
        load(store, data, Vouching(root.pem, signer="alb.example"), now=None)
    assert load(store, data, Vouching(root.pem, signer=making.SIGNER), now=None).applied
