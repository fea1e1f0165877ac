"""Where values come from, in which order, and what a person is told when one is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
import pytest
from msgspec import Meta

from core.config import (
    SYSTEM_PATH,
    DatabaseConfig,
    Invocation,
    Loaded,
    LogConfig,
    MqttConfig,
    Section,
    find_path,
    load,
)
from core.errors import ConfigInvalid


class SimStub(Section, frozen=True, kw_only=True):
    """A section with every shape of field; it stands in for one of another package."""

    section: ClassVar[str] = "sim"

    seed: Annotated[int, Meta(ge=0, description="where chance starts")]
    shards: Annotated[list[str] | None, Meta(description="which shards; null means all")] = None
    speeds: dict[str, float] = msgspec.field(default_factory=dict)
    mode: Literal["calm", "wild"] = "calm"
    note: str | None = None
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


def read(
    text: str | None, env: Mapping[str, str] | None = None, *kinds: type[Section], folder: Path
) -> Loaded:
    path = folder / "config.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    wanted = kinds or (MqttConfig, LogConfig)
    sections = {kind.section: kind for kind in wanted}
    return load(path if text is not None else None, sections, env or {})


def complaint(
    text: str | None, env: Mapping[str, str] | None = None, *kinds: type[Section], folder: Path
) -> tuple[str, str]:
    with pytest.raises(ConfigInvalid) as caught:
        read(text, env, *kinds, folder=folder)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{folder}/", ""), caught.value.remedy


def test_defaults_then_file_then_environment(tmp_path: Path) -> None:
    text = '[mqtt]\nhost = "broker"\nport = 1884\n'
    loaded = read(text, {"BLOCKTWIN_MQTT__PORT": "1885"}, folder=tmp_path)
    mqtt = loaded.get(MqttConfig)
    assert (mqtt.host, mqtt.port, mqtt.keepalive_s) == ("broker", 1885, 30)
    assert loaded.sources["mqtt", "host"] == "file"
    assert loaded.sources["mqtt", "port"] == "env"
    assert loaded.sources["mqtt", "keepalive_s"] == "default"
    assert loaded.path == tmp_path / "config.toml"


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    loaded = read(None, folder=tmp_path)
    assert loaded.get(MqttConfig) == MqttConfig()
    assert set(loaded.sources.values()) == {"default"}


def test_other_sections_may_stand_in_the_file_and_environment(tmp_path: Path) -> None:
    env = {"BLOCKTWIN_API__WHATEVER": "1", "PATH": "/bin", "BLOCKTWINNED": "no variable of ours"}
    read('[agent]\nanything = "goes"\n', env, MqttConfig, folder=tmp_path)


def test_a_section_that_was_not_asked_for_is_not_there(tmp_path: Path) -> None:
    loaded = read(None, None, MqttConfig, folder=tmp_path)
    with pytest.raises(KeyError):
        loaded.get(LogConfig)


@pytest.mark.parametrize(
    ("variable", "text", "field", "expected"),
    [
        ("SEED", "12", "seed", 12),
        ("SHARDS", '["00", "3f"]', "shards", ["00", "3f"]),
        ("SHARDS", "null", "shards", None),
        ("SPEEDS", '{"gw-01": 2}', "speeds", {"gw-01": 2.0}),
        ("MODE", "wild", "mode", "wild"),
        ("NOTE", "123", "note", "123"),
        ("LOW", "-1.5", "low", -1.5),
        ("HIGH", "3", "high", 3.0),
    ],
)
def test_environment_text_becomes_the_type_of_its_field(
    tmp_path: Path, variable: str, text: str, field: str, expected: object
) -> None:
    env = {"BLOCKTWIN_SIM__SEED": "1", f"BLOCKTWIN_SIM__{variable}": text}
    assert getattr(read(None, env, SimStub, folder=tmp_path).get(SimStub), field) == expected


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("1", True), ("false", False)])
def test_environment_booleans(tmp_path: Path, text: str, expected: bool) -> None:
    loaded = read(None, {"BLOCKTWIN_MQTT__TLS": text}, folder=tmp_path)
    assert loaded.get(MqttConfig).tls is expected


@pytest.mark.parametrize(
    ("text", "said", "advice"),
    [
        ("[mqtt\n", "config.toml: no valid TOML", ""),
        ('[mqtt]\nhost = "a"\nhost = "b"\n', "line 3", ""),
        ("[mqqt]\n", "config.toml:1: unknown section [mqqt]", "did you mean 'mqtt'?"),
        ("mqtt = 5\n", "config.toml:1: mqtt must be a section", ""),
        ("\n[mqtt]\nprot = 1\n", "config.toml:3: mqtt.prot: unknown key", "did you mean 'port'?"),
        ("mqtt.prot = 1\n", "config.toml:1: mqtt.prot: unknown key", "did you mean 'port'?"),
        ('[mqtt]\nport = "x"\n', "config.toml:2: mqtt.port: expected `int`", "TCP port"),
        ("[log]\n\n[mqtt]\nport = 0\n", "config.toml:4: mqtt.port: expected `int` >= 1", "TCP"),
        ('[log]\nlevel = "loud"\n', "config.toml:2: log.level: invalid enum value", "debug"),
        ("[mqtt]\ntls = 1\n", "config.toml:2: mqtt.tls: expected `bool`", "encrypt"),
        ("[mqtt.host]\nname = 1\n", "config.toml:1: mqtt.host: expected `str`", "broker"),
        ("[mqtt]\nzzz = 1\n", "unknown key", "known: ca_file, host"),
    ],
)
def test_mistakes_in_the_file_are_named_with_their_place(
    tmp_path: Path, text: str, said: str, advice: str
) -> None:
    sentence, remedy = complaint(text, folder=tmp_path)
    assert said in sentence
    assert advice in remedy


@pytest.mark.parametrize(
    ("variable", "text", "said", "advice"),
    [
        ("BLOCKTWIN_MQTT__PROT", "1", "BLOCKTWIN_MQTT__PROT: unknown key", "did you mean 'port'"),
        ("BLOCKTWIN_MQTT__PORT", "x", "BLOCKTWIN_MQTT__PORT: expected `int`", "TCP port"),
        ("BLOCKTWIN_MQTTT__PORT", "1", "BLOCKTWIN_MQTTT__PORT: unknown", "did you mean 'mqtt'"),
        ("BLOCKTWIN_MQTT_PORT", "1", "BLOCKTWIN_MQTT_PORT: unknown", "SECTION__KEY"),
        ("BLOCKTWIN_mqtt__port", "1", "BLOCKTWIN_mqtt__port: unknown", "SECTION__KEY"),
        ("BLOCKTWIN_SIM__SHARDS", "00,01", "BLOCKTWIN_SIM__SHARDS: must be JSON", ""),
        ("BLOCKTWIN_SIM__SHARDS", "[1]", "BLOCKTWIN_SIM__SHARDS: expected `str`", "which shards"),
    ],
)
def test_mistakes_in_the_environment_are_named(
    tmp_path: Path, variable: str, text: str, said: str, advice: str
) -> None:
    env = {"BLOCKTWIN_SIM__SEED": "1", variable: text}
    sentence, remedy = complaint(None, env, MqttConfig, SimStub, folder=tmp_path)
    assert said in sentence
    assert advice in remedy


def test_a_required_value_is_asked_for(tmp_path: Path) -> None:
    sentence, remedy = complaint(None, None, SimStub, folder=tmp_path)
    assert sentence == "sim.seed is required and not set"
    assert "BLOCKTWIN_SIM__SEED" in remedy


def test_a_section_nobody_uses_may_be_left_out(tmp_path: Path) -> None:
    loaded = load(None, {"sim": SimStub, "log": LogConfig}, {}, absent_ok=True)
    assert set(loaded.values) == {"log"}
    with pytest.raises(ConfigInvalid):
        load(None, {"sim": SimStub}, {"BLOCKTWIN_SIM__LOW": "0"}, absent_ok=True)


def test_a_rule_between_fields_names_its_section(tmp_path: Path) -> None:
    text = "[sim]\nseed = 1\nlow = 3\n"
    sentence, _ = complaint(text, None, SimStub, folder=tmp_path)
    assert sentence == "config.toml: section [sim]: low must not be above high"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="nowhere"):
        load(tmp_path / "nowhere.toml", {}, {})
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(ConfigInvalid, match="latin"):
        load(tmp_path / "latin", {}, {})


def test_the_file_is_the_given_one_then_the_variable_then_the_system() -> None:
    env = {"BLOCKTWIN_CONFIG": "/tmp/env.toml"}
    assert find_path(Path("given.toml"), env) == Path("given.toml")
    assert find_path(None, env) == Path("/tmp/env.toml")
    assert find_path(None, {}) == (SYSTEM_PATH if SYSTEM_PATH.exists() else None)


def test_a_command_loads_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[log]\njson = true\n", encoding="utf-8")
    env = {"BLOCKTWIN_CONFIG": str(path), "BLOCKTWIN_DATABASE__POOL_SIZE": "2"}
    loaded = Invocation(config_path=None, verbose=0, env=env).load(LogConfig, DatabaseConfig)
    assert loaded.get(LogConfig).json is True
    assert loaded.get(DatabaseConfig).pool_size == 2


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("word with spaces \nsecond line\n", encoding="utf-8")
    assert MqttConfig(password_file=str(secret)).secret() == "word with spaces "
    assert MqttConfig(password="own", password_file=str(secret)).secret() == "own"
    assert MqttConfig().secret() == ""
    env = {"BLOCKTWIN_DATABASE__DSN_FILE": str(secret), "BLOCKTWIN_MQTT__PASSWORD_FILE": "/p"}
    loaded = read(None, env, DatabaseConfig, MqttConfig, folder=tmp_path)
    assert loaded.get(DatabaseConfig).dsn == "word with spaces "
    assert loaded.get(MqttConfig).password_file == "/p"


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"mqtt\.password_file: cannot read"):
        MqttConfig(password_file=str(tmp_path / "nowhere")).secret()
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigInvalid, match="is empty"):
        MqttConfig(password_file=str(tmp_path / "empty")).secret()
    sentence, _ = complaint(
        None, {"BLOCKTWIN_DATABASE__DSN_FILE": "/nowhere"}, DatabaseConfig, folder=tmp_path
    )
    assert "BLOCKTWIN_DATABASE__DSN_FILE" in sentence
