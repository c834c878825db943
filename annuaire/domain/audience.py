"""Who is asking. Six audiences, each a bit, so that an entry says in one number who may see it.

# Note [Who asks decides what exists]
Every operation starts from the set of the entries that the asking audience may see. What lies outside that
set does not exist for it: same codes, counts, order, cookies and timing class as if it had never been.
"""

from enum import IntFlag


class Audience(IntFlag):
    """A kind of asker; several together are the askers to whom one entry is shown.

    The numbers are kept in the index: they never change meaning, and a new audience takes the next bit.
    """

    PUBLIC = 1  # anonymous
    MSSANTE = 2  # a member of the trust space
    APICRYPT = 4  # users and software of the sphere
    DGS = 8  # the Direction générale de la santé
    ROUTAGE = 16  # mail servers
    ADMIN = 32  # administrators


NOBODY = Audience(0)
EVERYBODY = Audience(63)

NAMES: dict[str, Audience] = {
    "public": Audience.PUBLIC,
    "mssante": Audience.MSSANTE,
    "apicrypt": Audience.APICRYPT,
    "dgs": Audience.DGS,
    "routage": Audience.ROUTAGE,
    "admin": Audience.ADMIN,
}


def parse(text: str) -> Audience | None:
    """The one audience that a word of the configuration or of the command line names."""
    return NAMES.get(text.strip().lower())


def format(audience: Audience) -> str:  # noqa: A001 the counterpart of parse, as in every module of values
    """The word for one audience; several are joined by a comma, in the order of their bits."""
    return ",".join(name for name, bit in NAMES.items() if bit & audience)
