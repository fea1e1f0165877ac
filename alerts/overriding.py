"""What holds for single devices instead of what their rules say, looked up by rule and device."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.rules import Level, Override, Rule


class Overrides:
    """Overrides by rule and device; the last of two for the same pair holds."""

    def __init__(self, overrides: Iterable[Override] = ()) -> None:
        self._of: dict[str, dict[str, Override]] = {}
        for one in overrides:
            self._of.setdefault(one.rule_id, {})[one.device_id] = one

    def judges(self, rule_id: str, device_id: str) -> bool:
        """Tell whether a rule judges a device at all."""
        one = self._of.get(rule_id, {}).get(device_id)
        return one is None or one.enabled

    def levels(self, rule: Rule, device_id: str) -> tuple[Level, ...]:
        """Return the ladder that holds for a device."""
        one = self._of.get(rule.id, {}).get(device_id)
        return rule.levels if one is None or not one.levels else one.levels

    def devices(self, rule_id: str) -> dict[str, Override]:
        """Return the overrides of a rule by device."""
        return self._of.get(rule_id, {})
