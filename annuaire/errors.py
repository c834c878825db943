"""The five kinds of trouble. Each edge turns them into its own answer in one table.

`public` may be shown to whoever asked; `reason` goes to the log. Anything else that is raised is a bug:
logged with its traceback, answered generically.
"""


class AnnuaireError(Exception):
    """A trouble with a public sentence and, when it must not be shown, a private reason."""

    exit_status = 70

    def __init__(self, public: str, reason: str = "") -> None:
        super().__init__(public if not reason else f"{public} ({reason})")
        self.public = public
        self.reason = reason or public


class Malformed(AnnuaireError):
    """The input or the peer broke the format."""

    exit_status = 2


class NotFound(AnnuaireError):
    """What was named does not exist, or may not be seen: the two are never told apart."""

    exit_status = 1


class Refused(AnnuaireError):
    """Understood, and not allowed."""

    exit_status = 1


class Unavailable(AnnuaireError):
    """Trouble on our side that passes: try again later."""

    exit_status = 75


class Misconfigured(AnnuaireError):
    """The operator's configuration cannot be used; every problem found, one a line."""

    exit_status = 78
