"""Who may publish at the ThingsBoard door: access tokens from a file, compared in constant time.

::

    [gateways]                       # speak for the devices behind them
    "plant-3" = "A1_TEST_TOKEN"
    [devices]                        # speak for themselves
    "pump-7" = "B2_TEST_TOKEN"

A token is never logged, and never stands in an error.
"""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigInvalid

_SHORTEST = 8
_FORM = 'write [gateways] and [devices] with lines like "name" = "token"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose token it is; ``name`` is the foreign device name of what it says of itself."""

    name: str
    is_gateway: bool


class Tokens:
    """All tokens; holds their digests alone."""

    __slots__ = ("_owners",)

    def __init__(self, owners: dict[str, Owner]) -> None:
        """Take token -> owner."""
        self._owners = [(_digest(token), owner) for token, owner in owners.items()]

    def __len__(self) -> int:
        return len(self._owners)

    def owner(self, token: str) -> Owner | None:
        """Return whose token this is, None if nobody's; takes as long for either.

        Example:
            >>> tokens = Tokens({"secret-1": Owner(name="gw", is_gateway=True)})
            >>> tokens.owner("secret-1"), tokens.owner("secret-2")
            (Owner(name='gw', is_gateway=True), None)
        """
        offered = _digest(token)
        found = None
        for known, owner in self._owners:
            if hmac.compare_digest(known, offered):
                found = owner
        return found


def load_tokens(path: Path) -> Tokens:
    """Read a file of tokens.

    Raises:
        ConfigInvalid: if it cannot be read, or a token is short or stands twice.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            f"intake.tokens_file: cannot read {path}: {error}",
            remedy="give a file that this user alone may read",
        ) from error
    except tomllib.TOMLDecodeError as error:
        # The error's own text may quote the line with the token.
        raise ConfigInvalid(f"intake.tokens_file: {path} is no valid TOML", remedy=_FORM) from error
    owners: dict[str, Owner] = {}
    for table, names in content.items():
        if table not in ("gateways", "devices") or not isinstance(names, dict):
            raise ConfigInvalid(f"intake.tokens_file: {path}: [{table}] is unknown", remedy=_FORM)
        for name, token in names.items():
            _check(path, name, token, owners)
            owners[token] = Owner(name=name, is_gateway=table == "gateways")
    if not owners:
        raise ConfigInvalid(f"intake.tokens_file: {path} holds no token", remedy=_FORM)
    return Tokens(owners)


def _check(path: Path, name: str, token: object, owners: dict[str, Owner]) -> None:
    if not isinstance(token, str) or len(token) < _SHORTEST:
        raise ConfigInvalid(
            f"intake.tokens_file: {path}: the token of {name!r} is no text of {_SHORTEST} signs",
            remedy="take a random one: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    if token in owners:
        raise ConfigInvalid(
            f"intake.tokens_file: {path}: {name!r} has the token of {owners[token].name!r}",
            remedy="give every publisher a token of its own",
        )


def _digest(token: str) -> bytes:
    # Of equal length whatever was offered, as compare_digest needs to be constant in time.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
