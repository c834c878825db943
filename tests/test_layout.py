"""The lines that the folders draw: who may import whom, how long a file may be, what the README's map says.

Direct imports suffice, because every folder is in the table. A folder that is not in it fails until somebody
has decided what it may know.
"""

import ast
import configparser
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "annuaire"
LINES_MAX = 500

# What each folder may import of ours, and from outside the standard library. "." is the package's own files.
OURS_EVERYWHERE = {"errors"}
EVERYTHING = {"*"}
FOLDERS: dict[str, tuple[set[str], set[str]]] = {
    ".": ({"errors", "option"}, set()),
    "__main__": ({"cli"}, set()),
    "domain": ({"domain"}, set()),
    "ldap": ({"domain", "ldap"}, {"ldaptor"}),
    "postfix": ({"domain", "postfix"}, set()),
    # lxml, signxml, cryptography: the liste blanche is signed XML.
    "importing": ({"domain", "ldap", "importing"}, {"cryptography", "lxml", "signxml"}),
    "publishing": ({"domain", "ldap", "publishing"}, set()),
    # cryptography: page cookies are sealed, so that they tell nothing about hidden entries.
    "index": ({"domain", "ldap", "index"}, {"cryptography", "lmdb", "numpy", "pyroaring"}),
    "store": ({"domain", "store"}, {"alembic", "psycopg", "sqlalchemy"}),
    "federation": ({"domain", "importing", "federation"}, {"ldap3"}),
    "reporting": ({"domain", "ldap", "importing", "store", "reporting"}, set()),
    "journal": ({"domain", "journal"}, {"cryptography"}),
    # cryptography: Argon2id.
    "passwords": ({"domain", "passwords"}, {"cryptography"}),
    "actions": (
        {"domain", "ldap", "importing", "publishing", "passwords", "store", "index", "actions"},
        set(),
    ),
    "web": (EVERYTHING, {"twisted", "zope"}),
    "server": (EVERYTHING, {"OpenSSL", "cryptography", "service_identity", "twisted", "zope"}),
    "cli": (EVERYTHING, {"click", "rich"}),
}

# A function without a home shows that the home is missing.
NAMES_REFUSED = {
    "base",
    "common",
    "core",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "manager",
    "misc",
    "utils",
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def folder(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    if parts == ("__main__.py",):
        return "__main__"
    return parts[0] if len(parts) > 1 else "."


def imports(name: str, path: Path, known: set[str]) -> set[str]:
    """The dotted names that a file imports, anywhere in it; a member that is a module is named as one."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*above, *filter(None, [origin])])
            for alias in node.names:
                member = f"{origin}.{alias.name}"
                found.add(member if member in known else origin)
    return found


def strays(where: str, imported: set[str]) -> list[str]:
    """What a file of that folder may not import."""
    ours, outside = FOLDERS[where]
    found = []
    for target in sorted(imported):
        first, _, rest = target.partition(".")
        if first == "annuaire":
            part = rest.partition(".")[0]
            if part and ours != EVERYTHING and part not in ours | OURS_EVERYWHERE:
                found.append(target)
        elif first not in sys.stdlib_module_names and first not in outside:
            found.append(target)
    return found


KNOWN = modules()
IMPORTS = {name: imports(name, path, set(KNOWN)) for name, path in KNOWN.items()}


def test_every_folder_has_its_line_in_the_table() -> None:
    # __pycache__ and what an editor leaves hold no module.
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*/*.py")}
    assert folders - FOLDERS.keys() == set()


def test_no_folder_imports_what_its_line_does_not_name() -> None:
    found = {name: strays(folder(path), IMPORTS[name]) for name, path in KNOWN.items()}
    assert {name: targets for name, targets in found.items() if targets} == {}


@pytest.mark.parametrize(
    ("where", "imported", "refused"),
    [
        ("domain", {"annuaire.ldap.dn", "re", "attrs"}, ["annuaire.ldap.dn", "attrs"]),
        ("ldap", {"twisted.internet", "ldaptor.protocols", "annuaire.errors"}, ["twisted.internet"]),
        ("index", {"sqlalchemy", "lmdb", "annuaire.ldap.ber"}, ["sqlalchemy"]),
        ("actions", {"annuaire.config", "annuaire.store", "twisted"}, ["annuaire.config", "twisted"]),
        ("cli", {"twisted.internet.reactor", "annuaire.server.app"}, ["twisted.internet.reactor"]),
    ],
)
def test_a_stray_import_is_named(where: str, imported: set[str], refused: list[str]) -> None:
    assert strays(where, imported) == refused


def test_no_two_modules_import_each_other() -> None:
    pairs = {
        tuple(sorted((name, target)))
        for name, targets in IMPORTS.items()
        for target in targets
        # A package that names its own parts, and a part that names its package, is one thing.
        if target in IMPORTS and name != target and name in IMPORTS[target]
    }
    assert pairs == set()


def test_no_module_has_a_catch_all_name() -> None:
    stems = {path: path.stem for path in KNOWN.values()}
    assert [path.name for path, stem in stems.items() if NAMES_REFUSED & set(stem.split("_"))] == []


def test_no_file_of_the_package_is_too_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in KNOWN.items()}
    assert {name: count for name, count in lengths.items() if count > LINES_MAX} == {}


def test_every_module_says_what_it_knows() -> None:
    silent = [
        name
        for name, path in KNOWN.items()
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_the_console_script_is_declared_and_exists() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    script = setup["options.entry_points"]["console_scripts"].strip()
    command, target = (part.strip() for part in script.split("="))
    assert command == "annuaire"
    module, function = target.split(":")
    tree = ast.parse(KNOWN[module].read_text("utf-8"))
    bound = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    bound |= {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert function in bound


def mapped(readme: str) -> set[str]:
    """The files that the README's map names, as paths below the package.

    The map is the fenced block with a line `annuaire/`. In it a name that ends with a slash at the start of a line
    opens a folder at that depth, and every word that ends with .py, on that line or a deeper one, lies in it;
    all other words are free.
    """
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", readme, re.DOTALL | re.MULTILINE):
        if re.search(r"^annuaire/(\s|$)", block, re.MULTILINE):
            break
    else:
        return set()
    found: set[str] = set()
    open_folders: list[tuple[int, str]] = []
    for line in block.splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        while open_folders and open_folders[-1][0] >= depth:
            open_folders.pop()
        first, *words = line.split()
        if first.endswith("/"):
            open_folders.append((depth, first))
        else:
            words = [first, *words]
        where = "".join(name for _, name in open_folders)
        if where.startswith("annuaire/"):
            found |= {
                where.removeprefix("annuaire/") + word for word in words if re.fullmatch(r"\w+\.py", word)
            }
    return found


def test_the_map_is_read_by_depth() -> None:
    readme = """Text.

```
setup.cfg      packaging
annuaire/
  config.py    one Config, see errors.py
  ldap/        PURE: dn.py filters.py
    schema.py  and words
    operations/  search.py
  store/
    tables.py
scripts/
  make_population.py
```
"""
    assert mapped(readme) == {
        "config.py",
        "errors.py",
        "ldap/dn.py",
        "ldap/filters.py",
        "ldap/schema.py",
        "ldap/operations/search.py",
        "store/tables.py",
    }


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="there is no README yet")
def test_the_map_in_the_readme_is_the_tree() -> None:
    tree = {
        str(path.relative_to(PACKAGE))
        for path in KNOWN.values()
        # Migrations are a history, not a place where one looks for something.
        if path.name != "__init__.py" and "migrations" not in path.parts
    }
    named = mapped((ROOT / "README.md").read_text("utf-8"))
    assert sorted(tree - named) == [], "files that the README's map does not name"
    assert sorted(named - tree) == [], "files that only the README's map names"
