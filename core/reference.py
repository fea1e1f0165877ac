"""Write the reference of the configuration, ``docs/configuration.md``, from its structs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec

from core.config import PATH_VARIABLE, PREFIX, SYSTEM_PATH, Section
from core.fields import FieldNote, describe

_HEAD = f"""\
# Configuration

<!-- Written from the structs by: blocktwin config reference > docs/configuration.md -->

Every value has a default or is required. What is set goes by this order, the later wins: the
default, the file, the environment, the command line.

- **File**: TOML, one table for each section below. `--config FILE` names it, else the variable
  `{PATH_VARIABLE}`, else `{SYSTEM_PATH}` where that exists.
- **Environment**: `{PREFIX}SECTION__KEY`, such as `{PREFIX}MQTT__HOST`. Lists and tables are JSON.
- **Secrets**: a field marked *secret* may also be read from a file whose first line it is: the
  variable with `_FILE` at its end, or the field of that name. `blocktwin config show` masks them.

An unknown section, key or `{PREFIX}` variable is an error (exit code 2) that names the nearest
known one. `blocktwin config check` says whether all is well; `config show` prints every value
and where it comes from.

The schema of the database in `[database]` is made by `blocktwin db upgrade` (`--dry-run` only says
what it would apply). `blocktwin db status` lists the migrations and exits 1 when some are pending;
`blocktwin db schema` prints the schema as text.

A file for a gateway:

```toml
[mqtt]
host = "broker.example.net"
port = 8883
tls = true
username = "gw-01"
password_file = "/etc/blocktwin/mqtt-password"

[agent]
gateway_id = "gw-01"
spool_dir = "/var/lib/blocktwin/spool"
```
"""


def render(kinds: Mapping[str, type[Section]]) -> str:
    """Return the page: the rules, then one table for each section."""
    return "\n".join([_HEAD, *(_section(name, kind) for name, kind in kinds.items())])


def _section(name: str, kind: type[Section]) -> str:
    return f"## [{name}]\n\n{_summary(kind)}\n\n" + _table(describe(kind), name)


def _summary(kind: type[msgspec.Struct]) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _table(notes: Iterable[FieldNote], section: str) -> str:
    lines = ["| key | type | default | what it is, and what happens if it is wrong |"]
    lines.append("| --- | --- | --- | --- |")
    for note in notes:
        mark = " *(secret)*" if note.secret else ""
        default = "**required**" if note.required else f"`{_plain(note.default)}`"
        kind = _cell(note.type)
        lines.append(
            f"| `{section}.{note.name}` | `{kind}` | {default} | {_cell(note.description)}{mark} |"
        )
    return "\n".join(lines) + "\n"


def _plain(value: object) -> str:
    return _cell(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
