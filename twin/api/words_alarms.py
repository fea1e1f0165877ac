"""Bodies of what people do to alarms, as types."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.api.shapes import UUID
from twin.api.words import NO_NUL, Alarm, Note, Word

SAYS_SOMETHING = r"^[^\x00]*[^\x00\s][^\x00]*$"
"""Text with at least one sign that is no blank."""

Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=SAYS_SOMETHING)]
Name = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
WorkOrder = Annotated[str, Field(min_length=1, max_length=200, pattern=SAYS_SOMETHING)]


class Acknowledgement(Word):
    """Body of an acknowledgement, or of what ends a hiding; may be left out."""

    note: Note = ""


class Acknowledgements(Word):
    """Body of several acknowledgements at once."""

    ids: Annotated[list[Annotated[str, Field(pattern=UUID)]], Field(min_length=1, max_length=200)]
    note: Note = ""


class Refusal(Word):
    """What was asked for one alarm and not done."""

    alarm_id: str
    detail: str


class Acknowledged(Word):
    """What became of several acknowledgements; the alarms as they stand then."""

    alarms: list[Alarm]
    refused: list[Refusal]


class Assignment(Word):
    """Body of an assignment; an empty `to` takes it back."""

    to: Name
    note: Note = ""


class Shelving(Word):
    """Body of a shelving: for how long, and why."""

    minutes: Annotated[int, Field(ge=1, le=480, description="eight hours at most")]
    why: Reason


class Suppression(Word):
    """Body of a suppression: what it follows from (`gateway:ID`, `alarm:UUID`, …), and why."""

    by: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00\s]+$")]
    why: Reason


class OutOfService(Word):
    """Body of taking out of service: under which work order, and why."""

    work_order: WorkOrder
    why: Reason


class Closure(Word):
    """Body of a closure: what it turned out to be."""

    cause: Literal["true", "false", "test", "maintenance"]
    note: Note = ""


class Comment(Word):
    """Body of a comment."""

    note: Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL)]
