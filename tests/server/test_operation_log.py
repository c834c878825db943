import logging

import asking
import pytest

from annuaire.ldap import requests, responses
from annuaire.server.observe import OperationLog

ENTRY = responses.search_entry(3, b"cn=x", b"")
SECRET = "(&(cn=*dupont*)(mail=jean@exemple.fr))"


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "annuaire.ldap")
    return lambda: [record.getMessage() for record in caplog.records]


def done(code: int = 0, text: str = "") -> bytes:
    return responses.result(3, responses.SEARCH_DONE, code, text=text)


def search(**options):
    return requests.decode(asking.search(3, SECRET, **options))


def test_an_operation_is_one_line_with_its_shape_and_not_what_was_typed(lines):
    OperationLog(True, False).answered(
        "192.0.2.1:7", search(attributes=["cn", "mail"]), ENTRY * 2 + done(), True, 0
    )
    [line] = lines()
    for part in (
        "client=192.0.2.1:7",
        "msg=3",
        'base="o=apicrypt,c=FR"',
        "scope=sub",
        'filter="(&(cn=*?*)(mail=?))"',
        'attributes="cn mail"',
        "entries=2",
        "result=0",
        "ms=",
    ):
        assert part in line
    assert "dupont" not in line


def test_values_are_written_only_when_that_was_chosen(lines):
    OperationLog(True, True).answered("p", search(), done(), True, 0)
    assert "dupont" in lines()[0]


@pytest.mark.parametrize(
    ("code", "written"),
    [
        *[(code, False) for code in (0, 4, 6, 14, 122, 16654)],
        *[(code, True) for code in (32, 51, 80, 123)],
    ],
)
def test_errors_alone_are_logged_unless_all_is_asked(lines, code, written):
    OperationLog(False, False).answered("p", search(), ENTRY + done(code, "text"), True, 0)
    assert bool(lines()) == written


def test_a_stream_is_counted_over_its_chunks(lines):
    log = OperationLog(True, False)
    message = search()
    log.answered("p", message, ENTRY * 3, False, 0)
    log.answered("p", message, b"", False, 0)
    log.answered("p", message, ENTRY + done(4), False, 0)
    log.answered("p", message, b"", True, 0)
    [line] = lines()
    assert "entries=4" in line
    assert "result=4" in line


def test_what_a_search_says_before_it_ends_is_no_result(lines):
    log = OperationLog(False, False)
    said = responses.intermediate_response(3, "1.3.6.1.4.1.4203.1.9.1.4", b"cookie")
    log.answered("p", search(), ENTRY + said, False, 0)
    log.answered("p", search(), b"", True, 0)
    [line] = lines()
    assert "entries=1 abandoned" in line


def test_an_abandoned_search_is_said_to_be(lines):
    log = OperationLog(True, False)
    log.answered("p", search(), ENTRY, False, 0)
    log.answered("p", search(), b"", True, 0)
    assert "abandoned" in lines()[0]


def test_a_line_holds_no_control_character_and_has_an_end(lines):
    log = OperationLog(True, True)
    log.answered("p", requests.decode(asking.search(3, base="cn=a\n2026 op forged")), done(34), True, 0)
    log.answered("p", requests.decode(asking.search(3, f"(cn={'x' * 9000})")), done(), True, 0)
    log.answered("p", requests.decode(asking.compare(3, "cn=\u2028\x1b[31m", "cn", b"x")), done(32), True, 0)
    for line in lines():
        assert line.isprintable()
        assert len(line) < 1000


def test_passwords_are_in_no_line(lines):
    log = OperationLog(True, True)
    log.answered(
        "p", requests.decode(asking.bind(3, "cn=x", "a-secret")), responses.bind_response(3, 0), True, 0
    )
    log.answered(
        "p", requests.decode(asking.compare(3, "cn=x", "userPassword", b"a-secret")), done(5), True, 0
    )
    log.answered("p", requests.decode(asking.extended(3, "1.2", b"a-secret")), done(2), True, 0)
    assert len(lines()) == 3
    assert "a-secret" not in "".join(lines())


def test_a_failed_login_is_one_stable_line_without_what_was_typed(lines):
    OperationLog(False, False).login_failed("192.0.2.1:7", 49, None)
    OperationLog(False, False).login_failed("192.0.2.1:7", 49, "uid=luc,ou=comptes")
    assert lines() == [
        "login client=192.0.2.1:7 result=49 account=-",
        'login client=192.0.2.1:7 result=49 account="uid=luc,ou=comptes"',
    ]


def test_a_log_that_fails_fails_no_request(lines):
    OperationLog(True, False).answered("p", search(), b"\x30\x7f broken", True, 0)
    assert "could not be logged" in lines()[0]
