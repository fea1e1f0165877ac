"""The seven parameters in space: the pipeline that applies them, and their fit to control points.

The points of one city fix seven parameters badly one by one and well together: use them inside the
area of the control points only. Ellipsoidal height 0 is assumed on both sides of a control point,
which costs about a millimetre over a city. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from geodata.frames_fit import (
    ARCSEC,
    LEAST_EXTENT_M,
    Bursa7,
    Control,
    Degenerate,
    Fit,
    check_spread,
    columns,
    fitted,
    suspect,
)
from geodata.frames_words import Convert, Points

LEAST_POINTS = 3
ELLIPSOIDS = {
    "krassovsky": (6378245.0, 298.3),
    "iag75": (6378140.0, 298.257),
    "cgcs2000": (6378137.0, 298.257222101),
}
"""Semi-major axis in metres and inverse flattening; Beijing 1954, Xian 1980, CGCS2000."""

Spots = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LocalEllipsoid:
    """The ellipsoid of a local system, and the transverse Mercator projection from it."""

    semi_major_m: float
    inverse_flattening: float
    central_meridian_deg: float
    latitude_of_origin_deg: float
    scale: float
    false_easting_m: float
    false_northing_m: float

    def shape(self) -> str:
        """Return PROJ's words for the ellipsoid."""
        return f"+a={self.semi_major_m!r} +rf={self.inverse_flattening!r}"

    def unproject(self) -> str:
        """Return PROJ's steps from local x, y to geocentric."""
        return (
            f"+step +inv +proj=tmerc +lon_0={self.central_meridian_deg!r} "
            f"+lat_0={self.latitude_of_origin_deg!r} +k={self.scale!r} "
            f"+x_0={self.false_easting_m!r} +y_0={self.false_northing_m!r} {self.shape()} "
            f"+step +proj=cart {self.shape()}"
        )


def pipeline(local: LocalEllipsoid, p: Bursa7) -> str:
    """Return the PROJ pipeline from local x, y, 0 to CGCS2000 longitude, latitude in degrees."""
    return (
        f"+proj=pipeline {local.unproject()} "
        f"+step +proj=helmert +x={p.tx_m!r} +y={p.ty_m!r} +z={p.tz_m!r} +rx={p.rx_arcsec!r} "
        f"+ry={p.ry_arcsec!r} +rz={p.rz_arcsec!r} +s={p.scale_ppm!r} +convention=position_vector "
        "+step +inv +proj=cart +ellps=GRS80 "
        "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )


def fit_bursa7(
    controls: Sequence[Control],
    local: LocalEllipsoid,
    to_degrees: Convert,
    onto: Callable[[Bursa7], Convert],
) -> Fit:
    """Fit the seven parameters by least squares in space.

    Args:
        to_degrees: of the base system.
        onto: gives local x, y -> base east, north for parameters.

    Raises:
        Degenerate: for fewer than three different points, or points on one line.
    """
    here, there = columns(controls)
    check_spread(here, there, least=LEAST_POINTS)

    def solve(some: Points, others: Points) -> Bursa7:
        _check_off_line(some)
        return _solved(_geocentric(local, some), _geocentric_base(to_degrees(others)))

    parameters = solve(here, there)
    outlier, said = suspect(controls, lambda a, b: onto(solve(a, b)), least=LEAST_POINTS)
    return fitted(parameters, controls, onto(parameters), outlier, said)


def _check_off_line(points: Points) -> None:
    """Refuse points on a line: they leave the rotation about it free."""
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    narrow = float(spread[1]) / np.sqrt(len(points))
    if narrow < LEAST_EXTENT_M / 4 or spread[1] < 0.01 * spread[0]:
        raise Degenerate(f"the points lie on one line, within {narrow:.2f} m")


def _geocentric(local: LocalEllipsoid, points: Points) -> Spots:
    moved = Transformer.from_pipeline(f"+proj=pipeline {local.unproject()}")
    found = moved.transform(points[:, 0], points[:, 1], np.zeros(len(points)))
    return np.column_stack(found)


def _geocentric_base(lonlat: Points) -> Spots:
    moved = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        "+step +proj=cart +ellps=GRS80"
    )
    found = moved.transform(lonlat[:, 0], lonlat[:, 1], np.zeros(len(lonlat)))
    return np.column_stack(found)


def _solved(here: Spots, there: Spots) -> Bursa7:
    """Solve about the middle, where the unknowns are apart from each other, then move back.

    there = t + m (here + r x here) is linear in t, m and m r.
    """
    middle, target = here.mean(axis=0), there.mean(axis=0)
    d, e = here - middle, there - target
    size = float(np.sqrt((d**2).sum(axis=1).mean()))
    rows = np.zeros((len(d), 3, 4))
    x, y, z = (d / size).T
    rows[:, :, 0] = d / size
    rows[:, 1, 1], rows[:, 2, 1] = -z, y
    rows[:, 0, 2], rows[:, 2, 2] = z, -x
    rows[:, 0, 3], rows[:, 1, 3] = -y, x
    found, *_ = np.linalg.lstsq(rows.reshape(-1, 4), (e - d).reshape(-1) / size, rcond=None)
    grown, (rx, ry, rz) = float(found[0]), (found[1:] / (1 + found[0]))
    turned = middle + np.cross([rx, ry, rz], middle)
    shift = target - (1 + grown) * turned
    return Bursa7(
        tx_m=float(shift[0]),
        ty_m=float(shift[1]),
        tz_m=float(shift[2]),
        rx_arcsec=float(rx) / ARCSEC,
        ry_arcsec=float(ry) / ARCSEC,
        rz_arcsec=float(rz) / ARCSEC,
        scale_ppm=grown * 1e6,
    )
