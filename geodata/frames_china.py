"""GCJ-02 and BD-09: the two datums of Chinese map services, by the public formulas.

The formulas are reverse-engineered and not published by their makers. Ours agree with other public
code to 1e-9 degree; how near they are to a service's own computation is not known, so a frame of
these has no accuracy. The inverse is found by iteration to less than 1e-5 m of the forward formula.

GCJ-02 moves points inside a box of longitude and latitude, and leaves those outside as they are.
At the box's edge (sea and other countries) the formula jumps by several hundred metres, so a point
within that strip does not come back. BD-09 adds its own shift everywhere.

Pure numpy; all angles are degrees, longitude first, WGS 84 taken as equal to CGCS2000.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geodata.frames_words import Convert, Points

BOX = (72.004, 0.8293, 137.8347, 55.8271)
"""West, south, east, north: where GCJ-02 shifts."""

_A = 6378245.0
_EE = 0.00669342162296594323
_BAIDU = np.pi * 3000.0 / 180.0
_ROUNDS = 20
_ENOUGH_DEG = 2e-12
"""About 2e-7 m; the iteration gains three digits a round."""

Column = npt.NDArray[np.float64]


def gcj02(lonlat: Points) -> Points:
    """WGS 84 to GCJ-02."""
    return np.where(_inside(lonlat)[:, None], _shifted(lonlat), lonlat)


def gcj02_inverse(lonlat: Points) -> Points:
    """GCJ-02 to WGS 84, to less than 1e-5 m of ``gcj02`` away from the edge of the box."""
    return np.where(_inside(lonlat)[:, None], _undone(_shifted, lonlat), lonlat)


def bd09(lonlat: Points) -> Points:
    """WGS 84 to BD-09."""
    return _baidu(gcj02(lonlat))


def bd09_inverse(lonlat: Points) -> Points:
    """BD-09 to WGS 84, to less than 1e-5 m of ``bd09`` away from the edge of the box."""
    return gcj02_inverse(_undone(_baidu, lonlat))


def _undone(forward: Convert, target: Points) -> Points:
    """Find what ``forward`` takes to ``target``; it moves points by little and smoothly."""
    found = target.copy()
    for _ in range(_ROUNDS):
        miss = forward(found) - target
        found -= miss
        if miss.size == 0 or np.abs(miss).max() < _ENOUGH_DEG:
            break
    return found


def _inside(lonlat: Points) -> npt.NDArray[np.bool_]:
    west, south, east, north = BOX
    lon, lat = lonlat[:, 0], lonlat[:, 1]
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def _shifted(lonlat: Points) -> Points:
    """The formula without its box, so that the iteration does not stumble at the edge."""
    lon, lat = lonlat[:, 0], lonlat[:, 1]
    x, y = lon - 105.0, lat - 35.0
    rad = np.radians(lat)
    magic = 1 - _EE * np.sin(rad) ** 2
    root = np.sqrt(magic)
    d_lat = _d_lat(x, y) * 180.0 / (_A * (1 - _EE) / (magic * root) * np.pi)
    d_lon = _d_lon(x, y) * 180.0 / (_A / root * np.cos(rad) * np.pi)
    return np.column_stack((lon + d_lon, lat + d_lat))


def _waves(value: Column, first: float, second: float, parts: tuple[float, float]) -> Column:
    long, longer = parts
    return (first * np.sin(value / long * np.pi) + second * np.sin(value / longer * np.pi)) * 2 / 3


def _d_lat(x: Column, y: Column) -> Column:
    found = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    found += (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    found += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    return found + _waves(y, 160.0, 320.0, (12.0, 30.0))


def _d_lon(x: Column, y: Column) -> Column:
    found = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    found += (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    found += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    return found + _waves(x, 150.0, 300.0, (12.0, 30.0))


def _baidu(lonlat: Points) -> Points:
    """GCJ-02 to BD-09."""
    x, y = lonlat[:, 0], lonlat[:, 1]
    z = np.hypot(x, y) + 0.00002 * np.sin(y * _BAIDU)
    theta = np.arctan2(y, x) + 0.000003 * np.cos(x * _BAIDU)
    return np.column_stack((z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006))
