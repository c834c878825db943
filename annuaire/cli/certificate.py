"""What `annuaire check` says of the dates of `[tls] certificate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annuaire.config import Config


def told(config: Config) -> tuple[list[str], list[str]]:
    """Problems and warnings: clients refuse a certificate that does not hold today; one about to end still serves."""
    from annuaire.server import validity

    if config.tls.certificate is None:
        return [], []
    dated = validity.judge(config.tls.certificate)
    if dated is None:
        return [], []
    said = {
        validity.When.EXPIRED: "a expiré le",
        validity.When.EARLY: "n'est valable qu'à partir du",
        validity.When.SOON: "expire le",
    }[dated.when]
    moment = f"{dated.moment:%d/%m/%Y à %H:%M} UTC"
    text = f"[tls] certificate : {config.tls.certificate} : {said} {moment} ({dated.subject})"
    return ([], [text]) if dated.when is validity.When.SOON else ([text], [])
