"""What is told of what was done: the words that whoever acts and whoever keeps a journal share.

An action is given a `Trace` and calls it after its commit, with a kind and fields; where the fields go is not its
business. Fields are texts, numbers, moments, or lists of them. Never a password, a body, a subject.

    account    whose it is, by native address           service   a service account, by name
    entry      one that is no account, by DN            reason    of a refusal
    done       added, changed, renamed, removed         attributes  whose values are others, never what is in them
    choice     apicryptInterop or listeRouge            value     what holds now
    actor      who did it; `self`: the person           door      by which way: cli, ldap, import
    client     where they were connected from
    bound      the administrator who was bound, where the actor is whose name they used
"""

from typing import Protocol

# Kinds of records.
DECISION = "decision"  # routing, accepted
REFUSAL = "refusal"  # routing or anything else that was asked and not allowed
CHOICE = "choice"  # interop or liste rouge of an account: account, choice, value
ACCOUNT = "account"  # an account or a service account: account or service, done, attributes
LISTE_BLANCHE = "liste-blanche"  # loaded: rows, domains, signer
IMPORT = "import"  # a source was applied: source, the totals, actor
SYNC = "sync"  # what another directory sent
KINDS = (DECISION, REFUSAL, CHOICE, ACCOUNT, LISTE_BLANCHE, IMPORT, SYNC)

# Fields whose value is an address, or else names a person: a journal pseudonymises the whole value. In any other
# field, what looks like an address or a national identification is pseudonymised where it stands.
NAMING = frozenset(
    {
        "sender",
        "recipient",
        "sender_as",
        "recipient_as",
        "address",
        "addresses",
        "account",
        "entry",
        "native",
        "interop",
        "old",
        "new",
        "holder",
        "user",
    }
)


class Trace(Protocol):
    """Takes one record; never raises and never waits."""

    def __call__(self, kind: str, /, **fields: object) -> None: ...


SELF = "self"
# Doors.
CLI, LDAP, FILE = "cli", "ldap", "import"


def silent(_kind: str, /, **_fields: object) -> None:
    """The trace of whoever keeps none."""


def through(door: str, trace: Trace) -> Trace:
    """The same trace, which says by which door what is told came in; a door that is told already stays."""

    def told(kind: str, /, **fields: object) -> None:
        trace(kind, **{"door": door, **fields})

    return told
