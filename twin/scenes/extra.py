"""The packages of the ``mesh`` extra: used where they are needed, missed in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import MissingPrerequisite

_OURS = frozenset({"scipy", "trimesh"})


@contextmanager
def needed() -> Iterator[None]:
    """Say which extra is missing when a package of it is.

    Raises:
        MissingPrerequisite: a package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in _OURS:
            raise
        raise MissingPrerequisite(
            f"meshes need the Python package {name}",
            remedy="install it: pip install 'blocktwin[server,mesh]'",
        ) from error
