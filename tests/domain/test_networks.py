import pytest

from annuaire.domain import networks
from annuaire.domain.audience import NOBODY, Audience
from annuaire.domain.networks import Networks
from annuaire.errors import Malformed


@pytest.fixture
def known() -> Networks[Audience]:
    return networks.audiences_of(
        [
            "10.0.0.0/8 mssante",
            "10.1.0.0/16 apicrypt",
            "10.1.2.3 none",
            "2001:db8::/32 dgs",
            "2001:db8:1::/48 routage",
            "unix apicrypt",
        ]
    )


@pytest.mark.parametrize(
    ("address", "audience"),
    [
        ("10.9.9.9", Audience.MSSANTE),
        ("10.1.0.0", Audience.APICRYPT),
        ("10.1.255.255", Audience.APICRYPT),
        ("10.1.2.3", NOBODY),
        ("11.0.0.1", None),
        ("::ffff:10.1.0.7", Audience.APICRYPT),
        ("2001:db8:ffff::1", Audience.DGS),
        ("2001:db8:1::1", Audience.ROUTAGE),
        ("2001:db9::1", None),
        ("fe80::1%eth0", None),
        ("local", Audience.APICRYPT),
        ("", Audience.APICRYPT),
    ],
)
def test_the_longest_prefix_that_holds_an_address_decides(known, address, audience):
    assert known.find(address) == audience


def test_the_order_of_the_lines_does_not_matter():
    lines = ["0.0.0.0/0 public", "192.0.2.0/24 apicrypt", "192.0.2.128/25 mssante"]
    for order in (lines, lines[::-1]):
        known = networks.audiences_of(order)
        assert known.find("192.0.2.200") == Audience.MSSANTE
        assert known.find("192.0.2.1") == Audience.APICRYPT
        assert known.find("198.51.100.1") == Audience.PUBLIC
        assert known.find("::1") is None


@pytest.mark.parametrize(
    "line",
    [
        "10.1.0.0/16",
        "10.1.0.0/16 voisins",
        "10.1.0.0/16 admin",  # who writes says who they are
        "10.1.0.1/16 apicrypt",
        "10.1.0.0/33 apicrypt",
        "::ffff:10.0.0.0/104 apicrypt",
        "exemple.fr apicrypt",
        "10.1.0.0/16 apicrypt mssante",
        "",
    ],
)
def test_a_line_that_says_nothing_clear_is_refused_in_words(line):
    with pytest.raises(Malformed):
        networks.audiences_of([line])


def test_no_line_is_no_network():
    assert not networks.audiences_of([])
    assert networks.audiences_of(["unix public"])
