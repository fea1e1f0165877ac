"""Why a map is not taken: the exceptions of ``twin.maps``, by what went wrong."""

from __future__ import annotations

from core.errors import BlocktwinError, UsageError


class NoSuchProposal(UsageError):
    """There is no proposal of that number."""


class NoSuchVersion(UsageError):
    """There is no version of that number."""


class NotPossible(BlocktwinError):
    """The proposal or version is not in a state in which this can be done."""
