"""What is wrong with a request, in the words of who sent it."""

from __future__ import annotations


class QueryInvalid(ValueError):
    """A path, an option or a filter that cannot be understood: 400."""


class NotOffered(ValueError):
    """An option of the standard that is not offered here: 501."""


class NotThere(LookupError):
    """A path that leads to nothing: 404."""


class TooMuch(ValueError):
    """An answer that would be larger than one may be: 400, with what to do."""
