"""Dates of the server's certificate, and what the log says of clients' ones that are refused."""

from __future__ import annotations

import contextlib
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import serving
from invented_certificates import CLIENT, SERVER, Authority
from waiting import until

from annuaire.server import tls, validity
from annuaire.server.validity import When


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


@pytest.mark.parametrize(
    ("days", "when"),
    [
        ({"first": -20, "last": -10}, When.EXPIRED),
        ({"first": 5, "last": 50}, When.EARLY),
        ({"first": -70, "last": 20}, When.SOON),
        ({"first": -300, "last": 65}, None),
        # A third of a short life is left.
        ({"first": -1, "last": 10}, None),
        ({"first": -8, "last": 2}, When.SOON),
    ],
)
def test_a_certificate_is_judged_by_its_dates_and_by_how_long_it_lives(
    authority: Authority, days: dict[str, int], when: When | None
) -> None:
    path, _ = authority.issue("server", "CN=annuaire.exemple", **days)
    dated = validity.judge(path)
    assert (dated and dated.when) == when
    if dated is not None:
        assert dated.subject == "CN=annuaire.exemple"
        expected = datetime.now(UTC) + timedelta(days=days["first" if when is When.EARLY else "last"])
        assert abs(dated.moment - expected) < timedelta(hours=1)


def test_the_worst_of_a_chain_is_told(authority: Authority, tmp_path: Path) -> None:
    good, _ = authority.issue("good", "CN=bon", last=400)
    soon, _ = authority.issue("soon", "CN=bientôt", first=-80, last=4)
    old, _ = authority.issue("old", "CN=vieux", first=-80, last=-4)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(b"".join(path.read_bytes() for path in (good, soon, old)))
    dated = validity.judge(chain)
    assert dated is not None
    assert (dated.when, dated.subject) == (When.EXPIRED, "CN=vieux")


def test_what_cannot_be_read_is_told_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    assert validity.judge(tmp_path / "no.pem") is None
    assert validity.judge(tmp_path / "absent.pem") is None


def test_the_log_warns_at_start_at_a_reload_and_once_a_day(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = authority.issue("server", "CN=localhost", first=-20, last=-10)
    with caplog.at_level(logging.WARNING, "annuaire.server"):
        known = tls.Certificates(*files)
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        assert "expired on" in caplog.text
        known.look()
        assert len(caplog.records) == 1
        known.reload()
        assert len(caplog.records) == 2
        monkeypatch.setattr(tls, "WARN_SECONDS", -1.0)
        known.look()
        assert len(caplog.records) == 3
        authority.issue("server", "CN=localhost", last=400)
        known.reload()
        assert len(caplog.records) == 3


def test_why_a_client_certificate_is_refused_is_in_the_log(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server", "CN=localhost")
    wrong = [
        (
            authority.issue("c1", "CN=vieux.exemple", CLIENT, first=-20, last=-10),
            "it has expired (CN=vieux.exemple)",
        ),
        (authority.issue("c2", "CN=tôt.exemple", CLIENT, first=5), "it is not yet valid (CN=tôt.exemple)"),
        (authority.issue("c3", "CN=usage.exemple", SERVER), "it is not made for clients (CN=usage.exemple)"),
        (
            Authority(tmp_path, "other").issue("c4", "CN=autre.exemple\n2026 forged line", CLIENT),
            "its issuer is unknown (CN=autre.exemple?2026 forged line)",
        ),
    ]
    with serving.serving(
        tmp_path / "var",
        ANNUAIRE_TLS_CERTIFICATE=str(certificate),
        ANNUAIRE_TLS_KEY=str(key),
        ANNUAIRE_TLS_CLIENT_CA=str(authority.file),
    ) as server:
        for shown, said in wrong:
            context = ssl.create_default_context(cafile=str(authority.file))
            context.load_cert_chain(*shown)
            with (
                server.connect("ldaps") as plain,
                contextlib.suppress(ssl.SSLError, ConnectionError),
                context.wrap_socket(plain, server_hostname="localhost") as secure,
            ):
                secure.recv(1)
            until(lambda said=said: said in server.log.read_text(), server.log.read_text)
