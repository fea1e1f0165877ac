"""Who is let in: tokens, sessions and their ends."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from twin.api.guard import COOKIE, Gatekeeper, Identity
from twin.operators import Role, Roster, add, remove


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operators.toml"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(path: Path, clock: Clock) -> Gatekeeper:
    return Gatekeeper(Roster(path), session_s=60, limit=3, clock=clock)


def by_cookie(gate: Gatekeeper, session: str) -> Identity | None:
    return gate.identify(Headers({"cookie": f"other=1; {COOKIE}={session}"}))


def log_in(gate: Gatekeeper, token: str) -> str:
    opened = gate.log_in(token)
    assert opened is not None
    return opened[0]


def test_a_bearer_token_is_who_it_belongs_to(gate: Gatekeeper, path: Path) -> None:
    token = add(path, "lin", Role.OPERATOR)
    who = gate.identify(Headers({"authorization": f"bearer {token}"}))
    assert who is not None
    assert (who.name, who.role, who.session) == ("lin", Role.OPERATOR, None)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "Basic bGluOng=", "x"])
def test_another_header_is_nobody_even_beside_a_good_cookie(
    gate: Gatekeeper, path: Path, header: str
) -> None:
    session = log_in(gate, add(path, "lin", Role.OPERATOR))
    headers = Headers({"authorization": header, "cookie": f"{COOKIE}={session}"})
    assert gate.identify(headers) is None


def test_a_token_is_also_the_password_of_its_name(gate: Gatekeeper, path: Path) -> None:
    token = add(path, "qgis", Role.VIEWER)

    def basic(text: bytes) -> Identity | None:
        word = base64.b64encode(text).decode()
        return gate.identify(Headers({"authorization": f"Basic {word}"}))

    who = basic(b"qgis:" + token.encode())
    assert who is not None
    assert (who.name, who.session) == ("qgis", None)
    for wrong in (b"other:" + token.encode(), b"qgis:", b"qgis", b"\xff\xfe", token.encode()):
        assert basic(wrong) is None
    assert gate.identify(Headers({"authorization": "Basic not*base64"})) is None


def test_a_session_lasts_its_time(gate: Gatekeeper, path: Path, clock: Clock) -> None:
    session = log_in(gate, add(path, "lin", Role.VIEWER))
    clock.now += 59
    who = by_cookie(gate, session)
    assert who is not None
    assert who.role is Role.VIEWER
    clock.now += 1
    assert by_cookie(gate, session) is None


def test_log_out_ends_it(gate: Gatekeeper, path: Path) -> None:
    session = log_in(gate, add(path, "lin", Role.VIEWER))
    who = by_cookie(gate, session)
    assert who is not None
    gate.log_out(who)
    assert not gate.still(who)


def test_the_oldest_of_too_many_sessions_ends(gate: Gatekeeper, path: Path) -> None:
    token = add(path, "lin", Role.VIEWER)
    sessions = [log_in(gate, token) for _ in range(4)]
    assert [by_cookie(gate, s) is not None for s in sessions] == [False, True, True, True]


def test_a_removed_operator_is_out_at_once(gate: Gatekeeper, path: Path) -> None:
    token = add(path, "lin", Role.OPERATOR)
    session = log_in(gate, token)
    bearer = gate.identify(Headers({"authorization": f"Bearer {token}"}))
    assert bearer is not None
    remove(path, "lin")
    add(path, "lin", Role.OPERATOR)
    assert by_cookie(gate, session) is None
    assert not gate.still(bearer), "the new token of that name is another one"
    assert gate.identify(Headers({"authorization": f"Bearer {token}"})) is None


def test_a_broken_operators_file_lets_nobody_in(gate: Gatekeeper, path: Path) -> None:
    token = add(path, "lin", Role.OPERATOR)
    session = log_in(gate, token)
    path.write_text("broken [")
    assert gate.log_in(token) is None
    assert by_cookie(gate, session) is None


@pytest.mark.parametrize("cookie", ["", "bt_session", "bt_session=", "=;=;", "a\x01b=c", '"'])
def test_a_strange_cookie_is_nobody(gate: Gatekeeper, cookie: str) -> None:
    assert gate.identify(Headers({"cookie": cookie})) is None
