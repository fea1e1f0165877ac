"""The settings that a demo gives its services."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dev.ground import render_sections, service_environment
from dev.probe import script_of

SCALARS = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 2**31) | st.booleans()
KEYS = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, SCALARS)))
def test_what_is_written_is_read_back(sections: dict[str, dict[str, object]]) -> None:
    assert tomllib.loads(render_sections(sections)) == sections


def test_only_settings_of_own_servers_reach_the_services() -> None:
    env = {
        "PATH": "/bin",
        "BLOCKTWIN_CONFIG": "/etc/blocktwin/config.toml",
        "BLOCKTWIN_DATABASE__DSN": "host=db",
        "BLOCKTWIN_MQTT__HOST": "broker",
        "BLOCKTWIN_API__PORT": "80",
        "BLOCKTWIN_AGENT__GATEWAY_ID": "gw-9",
    }
    kept = service_environment(env, Path("/x/config.toml"))
    assert kept["BLOCKTWIN_CONFIG"] == "/x/config.toml"
    assert kept["PATH"] == "/bin"
    ours = {key for key in kept if key.startswith("BLOCKTWIN_")}
    assert ours == {"BLOCKTWIN_CONFIG", "BLOCKTWIN_DATABASE__DSN", "BLOCKTWIN_MQTT__HOST"}


def test_a_page_that_was_not_built_has_no_script() -> None:
    assert script_of("<h1>not built</h1>") is None
