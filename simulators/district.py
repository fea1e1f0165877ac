"""The demo district: a synthetic Luohu with 1,200 devices behind 12 gateways.

Names and codes of streets and communities are the published ones; every outline is invented and
says so (``source = "synthetic"``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

from core.model import Device, District, Gateway
from simulators import city as plan
from simulators.installations import Post, install
from simulators.layout import to_degrees

GATEWAYS = 12
INTERVAL_S = 10.0
DEFAULT_SEED = 7


def demo_district(seed: int = DEFAULT_SEED) -> District:
    """Return the district; the same seed gives the same one."""
    city = plan.build(seed)
    groups = _by_area(_sites(install(city, seed)), GATEWAYS)
    # From north to south, so that the numbers can be found on the map.
    groups.sort(key=lambda sites: -_middle(sites)[1])
    gateways, devices = [], []
    counts: Counter[str] = Counter()
    for number, sites in enumerate(groups, start=1):
        gateway = _gateway(f"gw-{number:02d}", sites, city)
        gateways.append(gateway)
        for post in (post for site in sites for post in site.posts):
            counts[post.kind] += 1
            device_id = f"{post.kind}-{counts[post.kind]:04d}"
            devices.append(_device(device_id, post, gateway.gateway_id))
    return District(spaces=city.spaces(), gateways=tuple(gateways), devices=tuple(devices))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What hangs on one gateway together."""

    name: str
    posts: tuple[Post, ...]

    @property
    def at(self) -> tuple[float, float]:
        return self.posts[0].at


def _sites(posts: list[Post]) -> list[_Site]:
    found: dict[str, list[Post]] = {}
    for post in posts:
        found.setdefault(post.site, []).append(post)
    return [_Site(name=name, posts=tuple(members)) for name, members in sorted(found.items())]


def _by_area(sites: list[_Site], parts: int) -> list[list[_Site]]:
    """Divide sites into areas with about equally many devices, across the longer side each time."""
    if parts == 1:
        return [sites]
    xs, ys = [site.at[0] for site in sites], [site.at[1] for site in sites]
    axis = 0 if max(xs) - min(xs) > max(ys) - min(ys) else 1
    ordered = sorted(sites, key=lambda site: (site.at[axis], site.name))
    seen = list(accumulate(len(site.posts) for site in ordered))
    middle = bisect_left(seen, seen[-1] * (parts // 2) / parts) + 1
    left, right = ordered[:middle], ordered[middle:]
    return _by_area(left, parts // 2) + _by_area(right, parts - parts // 2)


def _middle(sites: list[_Site]) -> tuple[float, float]:
    return (
        sum(site.at[0] for site in sites) / len(sites),
        sum(site.at[1] for site in sites) / len(sites),
    )


def _gateway(gateway_id: str, sites: list[_Site], city: plan.City) -> Gateway:
    """Put the gateway into the building that is nearest to the middle of its sites."""
    x, y = _middle(sites)
    home = min(
        city.buildings,
        key=lambda b: (
            (b.plane.centroid.x - x) ** 2 + (b.plane.centroid.y - y) ** 2,
            b.space.code,
        ),
    )
    inside = home.plane.representative_point()
    lon, lat = to_degrees(inside.x, inside.y)
    return Gateway(gateway_id=gateway_id, name=f"{home.space.name} 网关", lon=lon, lat=lat)


def _device(device_id: str, post: Post, gateway_id: str) -> Device:
    lon, lat = to_degrees(*post.at)
    street = post.space.street_zh
    return Device(
        device_id=device_id,
        kind=post.kind,
        name=post.name,
        lon=lon,
        lat=lat,
        height_m=post.height_m,
        address=f"深圳市罗湖区{street}{post.space.space.name}",
        gateway_id=gateway_id,
        interval_s=INTERVAL_S,
        quantities=("panel_fire", "panel_fault") if post.kind == "fire_panel" else (),
        attributes={"site": post.site, "space": post.space.space.code, **post.facts},
    )
