"""Render the configuration files of the private servers: text in, text out."""

from __future__ import annotations

from collections.abc import Mapping


def render_settings(settings: Mapping[str, str]) -> str:
    r"""Return lines of a postgresql.conf.

    Example:
        >>> render_settings({"log_line_prefix": "%m 'x' "})
        "log_line_prefix = '%m ''x'' '\n"
    """
    return "".join(
        "{} = '{}'\n".format(key, value.replace("'", "''")) for key, value in settings.items()
    )


def replace_lines(shipped: str, values: Mapping[str, str]) -> str:
    r"""Return a mosquitto.conf with other values for some of its keys.

    Raises:
        KeyError: the shipped file has not exactly one line for a key, so that the private broker
            cannot silently differ from the shipped one.

    Example:
        >>> replace_lines("listener 1883\npersistence true\n", {"listener": "1884 127.0.0.1"})
        'listener 1884 127.0.0.1\npersistence true\n'
    """
    lines = shipped.splitlines()
    for key, value in values.items():
        places = [at for at, line in enumerate(lines) if line.startswith(f"{key} ")]
        if len(places) != 1:
            raise KeyError(f"the shipped mosquitto.conf has {len(places)} lines for {key}")
        lines[places[0]] = f"{key} {value}"
    return "\n".join(lines) + "\n"
