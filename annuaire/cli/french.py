"""What click says by itself, in French: its texts go through gettext, and no French catalogue of them exists.

Only what a user of ours can meet is here; the rest stays English. Another click may word a text otherwise: it is
then English too, and a test says so.
"""

from __future__ import annotations

import importlib

TEXTS = {
    "Usage:": "Usage :",
    "Options": "Options",
    "Commands": "Commandes",
    "Positional arguments": "Arguments",
    "Show this message and exit.": "Afficher cette aide.",
    "Show the version and exit.": "Afficher la version.",
    "Aborted!": "Interrompu.",
    "Error: {message}": "Erreur : {message}",
    "Try '{command} {option}' for help.": "« {command} {option} » en dit plus.",
    "Did you mean {possibility}?": "Vouliez-vous dire {possibility} ?",
    "Invalid value: {message}": "Valeur incorrecte : {message}",
    "Invalid value for {param_hint}: {message}": "Valeur incorrecte pour {param_hint} : {message}",
    "Missing argument": "Il manque l'argument",
    "Missing option": "Il manque l'option",
    "Missing parameter": "Il manque le paramètre",
    "Missing command.": "Il manque une commande.",
    "No such option {name!r}.": "Option inconnue : {name}.",
    "No such command {name!r}.": "Commande inconnue : {name}.",
    "Got unexpected extra argument ({args})": "Argument en trop : {args}",
    "Got unexpected extra arguments ({args})": "Arguments en trop : {args}",
    "Option {name!r} does not take a value.": "L'option {name} ne prend pas de valeur.",
    "Option {name!r} requires an argument.": "L'option {name} demande une valeur.",
    "Could not open file {filename!r}: {message}": "Fichier illisible : {filename} : {message}",
    "{value!r} is not {choice}.": "{value} n'est pas {choice}.",
    "{value!r} is not one of {choices}.": "{value} n'est pas parmi {choices}.",
    "{value!r} is not a valid {number_type}.": "{value} n'est pas un nombre.",
    "{value} is not in the range {range}.": "{value} n'est pas dans {range}.",
    "{name} {filename!r} does not exist.": "{name} {filename} n'existe pas.",
    "{name} {filename!r} is a file.": "{name} {filename} est un fichier.",
    "{name} {filename!r} is a directory.": "{name} {filename} est un dossier.",
    "{name} {filename!r} is not readable.": "{name} {filename} ne peut pas être lu.",
    "file": "Fichier",
    "directory": "Dossier",
    "path": "Chemin",
    "default: {default}": "par défaut : {default}",
    "required": "obligatoire",
    "deprecated": "à abandonner",
    "Repeat for confirmation": "Répéter",
    "Error: The two entered values do not match.": "Les deux saisies diffèrent.",
    "Do you want to continue?": "Continuer ?",
}

_MODULES = ("core", "decorators", "exceptions", "formatting", "parser", "termui", "types")


def translate(text: str) -> str:
    return TEXTS.get(text, text)


def _plural(one: str, several: str, count: int) -> str:
    return translate(one if count == 1 else several)


def speak() -> None:
    """Replace the functions by which click's modules translate."""
    for name in _MODULES:
        names = vars(importlib.import_module(f"click.{name}"))
        if "_" in names:
            names["_"] = translate
        if "ngettext" in names:
            names["ngettext"] = _plural
