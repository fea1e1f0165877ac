"""Forecasts: when a value will be reached, and when a slope will fail; one file each.

Each is a ``alerts.judges.Judge``: it turns readings into a time left or an angle, and the rule's
ladder is held against that. ``FORECASTS`` has them by the name that rules use.
"""

from __future__ import annotations

from alerts.forecasts.inverse_velocity import InverseVelocity
from alerts.forecasts.tangent_angle import TangentAngle
from alerts.forecasts.threshold import Threshold
from alerts.forecasts.tilt_rate import TiltRate
from alerts.judges import Judge

FORECASTS: dict[str, type[Judge]] = {
    judge.name: judge for judge in (Threshold, InverseVelocity, TangentAngle, TiltRate)
}
"""What ``forecast`` of a rule may name."""
