"""Where a configuration says to listen, as places; those whose protocol is not served yet are left out."""

from __future__ import annotations

from annuaire.config import Config
from annuaire.server.listening import Place

SERVED = ("ldap", "ldaps", "policy", "socketmap")


def of(config: Config) -> list[Place]:
    """The places to open, in the order of the configuration's own list."""
    anonymous = config.audience.anonymous
    listed = [
        Place(protocol, protocol, getattr(config.listen, protocol), anonymous)
        for protocol in ("ldap", "ldaps", "policy", "socketmap", "web", "metrics")
    ]
    listed += [
        Place(
            name,
            listener.protocol,
            listener.endpoint,
            listener.anonymous or anonymous,
            by_network=not listener.anonymous,
        )
        for name, listener in config.listeners.items()
    ]
    secure = config.tls.certificate is not None
    return [
        place
        for place in listed
        if place.endpoint and place.protocol in SERVED and (secure or place.protocol != "ldaps")
    ]
