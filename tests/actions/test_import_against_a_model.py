"""Generated files of changes and of contents, against a slow obvious model: a dictionary taken step by step."""

import io
import random

import pytest

from annuaire.actions import import_source, initialise, verifying
from annuaire.actions.import_source import Scope
from annuaire.ldap import ber, dn, schema, tree
from annuaire.store import engine

SUFFIX = "o=apicrypt,c=FR"
TOP = ("apicrypt",)
STANDARD = schema.standard()
PLANTED = tree.plant(SUFFIX, (), STANDARD)
SCOPE = Scope(tuple(schema.shipped()), SUFFIX)
NAMES = ["a", "b", "c"]

# A name is the path of its `ou` values from ou=apicrypt down; an entry is its set of descriptions.
Path = tuple[str, ...]
Model = dict[Path, frozenset[str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = engine.open("", tmp_path_factory.mktemp("model") / "var")
    initialise.initialise(opened, PLANTED, STANDARD)
    yield opened
    opened.close()


def text_of(path: Path) -> str:
    return ",".join([f"ou={name}" for name in reversed(path)] + [SUFFIX])


def random_path(source: random.Random) -> Path:
    return TOP + tuple(source.choice(NAMES) for _ in range(source.randint(1, 3)))


def content(path: Path, descriptions: list[str], change: str = "") -> str:
    lines = [f"dn: {text_of(path)}", *([change] if change else []), "objectClass: organizationalUnit"]
    lines += [f"ou: {path[-1]}", *(f"description: {text}" for text in descriptions)]
    return "\n".join(lines) + "\n\n"


def step(source: random.Random, model: Model) -> tuple[str, str]:
    """One change record, and what the model makes of it: added, changed, unchanged, removed or refused."""
    path = random_path(source)
    below = [other for other in model if len(other) > len(path) and other[: len(path)] == path]
    match source.choice(["add", "add", "delete", "modify", "rename", "move"]):
        case "add":
            text = content(path, [], "changetype: add")
            # Parents may come later: here they come first, the other order has tests of its own.
            if path in model or path[:-1] not in model:
                return text, "refused"
            model[path] = frozenset()
            return text, "added"
        case "delete":
            text = f"dn: {text_of(path)}\nchangetype: delete\n\n"
            if path not in model or below:
                return text, "refused"
            del model[path]
            return text, "removed"
        case "modify":
            value = source.choice("xyz")
            text = (
                f"dn: {text_of(path)}\nchangetype: modify\nreplace: description\ndescription: {value}\n-\n\n"
            )
            if path not in model:
                return text, "refused"
            before = model[path]
            model[path] = frozenset(value)
            return text, "unchanged" if before == model[path] else "changed"
        case kind:
            target = (path[:-1] if kind == "rename" else random_path(source)[:-1]) + (source.choice(NAMES),)
            text = f"dn: {text_of(path)}\nchangetype: modrdn\nnewrdn: ou={target[-1]}\ndeleteoldrdn: 1\n"
            text += f"newsuperior: {text_of(target[:-1])}\n\n" if kind == "move" else "\n"
            inside = len(target) > len(path) and target[: len(path)] == path
            taken = target in model and target != path
            if path not in model or taken or inside or target[:-1] not in model:
                return text, "refused"
            for old in [path, *below]:
                model[target + old[len(path) :]] = model.pop(old)
            return text, "changed"


def stored(store) -> Model:
    with store.reading() as reader:
        rows = list(reader.subtree(PLANTED.managed["apicrypt"]))
    found = {}
    for row in rows:
        path = tuple(rdn.pairs[0][1] for rdn in reversed(dn.parse(row.dn).rdns))[2:]
        values = ber.decode_attributes(row.attributes)
        assert values["ou"] == [path[-1].encode()]
        found[path] = frozenset(value.decode() for value in values.get("description", []))
    return found


def load(store, text: str):
    return import_source.import_ldif(
        store, SCOPE, io.BytesIO(text.encode()), name="model", continue_=True, processes=0
    )


@pytest.mark.parametrize("seed", range(25))
def test_changes_do_what_the_model_does(store, seed):
    source = random.Random(seed)
    model: Model = {TOP: frozenset(), **stored(store)}
    texts, outcomes = [], []
    for _ in range(source.randint(1, 40)):
        text, outcome = step(source, model)
        texts.append(text)
        outcomes.append(outcome)
    # An addition that the model refuses for want of a parent may find one later in the file: left out.
    kept = [
        (text, outcome)
        for text, outcome in zip(texts, outcomes, strict=True)
        if not (outcome == "refused" and "changetype: add" in text)
    ]
    report = load(store, "".join(text for text, _ in kept))
    told = [outcome for _, outcome in kept]
    assert [report.added, report.changed, report.unchanged, report.removed, report.refused] == [
        told.count(word) for word in ("added", "changed", "unchanged", "removed", "refused")
    ]
    del model[TOP]
    assert stored(store) == model
    assert list(verifying.verify(store, PLANTED, STANDARD)) == []


@pytest.mark.parametrize("seed", range(10))
def test_contents_in_any_order_make_the_entries_what_the_file_says(store, seed):
    source = random.Random(100 + seed)
    before = stored(store)
    wanted: Model = {}
    for _ in range(source.randint(1, 12)):
        path = random_path(source)
        for depth in range(2, len(path) + 1):
            wanted.setdefault(path[:depth], frozenset(source.sample("uvwxyz", source.randint(0, 3))))
    records = [content(path, sorted(values)) for path, values in wanted.items()]
    source.shuffle(records)
    report = load(store, "".join(records))
    assert report.refused == 0
    assert report.added == len(wanted.keys() - before.keys())
    assert report.changed == sum(before.get(path, values) != values for path, values in wanted.items())
    assert stored(store) == before | wanted
    assert load(store, "".join(records)).unchanged == len(wanted)
    assert list(verifying.verify(store, PLANTED, STANDARD)) == []
