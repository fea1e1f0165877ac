"""Secrets are hidden wherever they stand, and fields say what they are."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from core.config import DatabaseConfig, MqttConfig
from core.fields import describe, masked


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    token: Annotated[str, Meta(extra={"secret": True})] = ""


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    receivers: tuple[Receiver, ...] = ()
    by_name: dict[str, Receiver] = {}
    mode: Annotated[Literal["a", "b"], Meta(description="which one")] = "a"
    limit: int | None = None
    seed: int


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://bt:s3cret@db:5432/x", "postgresql://bt:***@db:5432/x"),
        ("postgresql://bt:s3@cr/et@db/x", "postgresql://bt:***@db/x"),
        ("postgresql://bt@db/x", "postgresql://bt@db/x"),
        (
            "postgresql://db/x?user=bt&password=s3cret&ssl=1",
            "postgresql://db/x?user=bt&password=***&ssl=1",
        ),
        ("host=db password=s3cret user=bt", "host=db password=*** user=bt"),
        (r"host=db password = 's3 c\'ret' user=bt", "host=db password = *** user=bt"),
        ("host=db sslpassword=s3cret", "host=db sslpassword=***"),
        ("", ""),
    ],
)
def test_only_the_password_of_a_connection_string_is_hidden(dsn: str, shown: str) -> None:
    assert masked(DatabaseConfig(dsn=dsn))["dsn"] == shown


def test_a_secret_is_hidden_whole_and_an_empty_one_shows_that_it_is() -> None:
    assert masked(MqttConfig(password="s3cret"))["password"] == "***"
    assert masked(MqttConfig())["password"] == ""


def test_secrets_inside_lists_and_tables_are_hidden() -> None:
    receiver = Receiver(name="x", token="s3cret")
    shown = masked(Outer(receivers=(receiver,), by_name={"x": receiver}, seed=1))
    assert "s3cret" not in str(shown)
    assert shown["receivers"] == [{"name": "x", "token": "***"}]


def test_fields_say_what_they_are() -> None:
    notes = {note.name: note for note in describe(Outer)}
    assert notes["mode"].type == '"a" | "b"'
    assert notes["mode"].description == "which one"
    assert notes["limit"].type == "int | None"
    assert notes["receivers"].type == "tuple[Receiver, ...]"
    assert (notes["seed"].required, notes["seed"].default) == (True, None)
    assert (notes["by_name"].required, notes["by_name"].default) == (False, {})
    assert [note.secret for note in describe(Receiver)] == ["", "whole"]
