"""Networks of the demo district: where its storm water runs, and what feeds its charging areas.

All invented, from where the devices stand. Each low spot and each metered pipe belongs to the
nearest outfall; from there the pipes lead, manhole by manhole, always nearer to it. Outfalls and
gauges lie on their river in the order of its course. A transformer in the yard of each gateway
feeds the gateway, the fire panels and the distribution boxes of the charging areas behind it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import shapely

from core.model import Device, District
from simulators.layout import ground, to_degrees, to_plane
from twin.relations.model import NetworkNode, RelationEdge, RelationKind, RelationTable
from twin.relations.store import Conn, import_set

MANHOLE_SPACING_M = 60.0
"""A manhole at least this often on a straight run; an editable seed."""

SOURCE = "synthetic"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A named set of relations, ready to be imported."""

    name: str
    kind: RelationKind
    table: RelationTable


def load(conn: Conn, district: District) -> None:
    """Put the networks of a district into the database; again changes nothing."""
    for network in demo_networks(district):
        import_set(conn, network.name, network.kind, network.table, by=SOURCE, dry_run=False)


def demo_networks(district: District) -> tuple[Network, ...]:
    """Return the networks of a district; the same district gives the same ones."""
    return (
        Network(name="demo-drainage", kind=RelationKind.DRAINAGE, table=_drainage(district)),
        Network(name="demo-power", kind=RelationKind.POWER, table=_power(district)),
    )


@dataclass(slots=True)
class _Collected:
    """Nodes and edges as they are found."""

    nodes: list[NetworkNode]
    edges: list[RelationEdge]

    def node(self, node_id: str, sort: str, name: str, at: Point) -> str:
        lon, lat = to_degrees(*at)
        node = NetworkNode(node_id=node_id, sort=sort, name=name, lon=lon, lat=lat)
        self.nodes.append(node)
        return f"node:{node_id}"

    def edge(self, upstream: str, downstream: str, name: str = "") -> None:
        self.edges.append(RelationEdge(upstream=upstream, downstream=downstream, name=name))

    def table(self) -> RelationTable:
        return RelationTable(nodes=tuple(self.nodes), edges=tuple(self.edges), source=SOURCE)


class _Drains:
    """Storm water from the low spots through pipes and outfalls down the rivers."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._kinds: dict[str, list[Device]] = defaultdict(list)
        for device in devices:
            self._kinds[device.kind].append(device)
        self._found = _Collected([], [])
        self._manholes = 0

    def table(self) -> RelationTable:
        for outfall, members in self._catchments().items():
            self._catchment(outfall, members)
        for number, river in enumerate(ground().rivers, start=1):
            self._river(number, river)
        return self._found.table()

    def _catchments(self) -> dict[str, dict[str, Point]]:
        """Return outfall -> what drains to it, with places: inlets at low spots, metered pipes."""
        members: dict[str, dict[str, Point]] = defaultdict(dict)
        outfalls = {d.device_id: _at(d) for d in self._kinds["outfall_flow"]}
        spots: dict[str, list[Device]] = defaultdict(list)
        for device in self._kinds["waterlogging"]:
            spots[str(device.attributes.get("site", device.device_id))].append(device)
        for site, gauges in spots.items():
            at = _at(gauges[0])
            inlet = self._found.node(f"ys-{site}", "inlet", f"{gauges[0].name} 雨水口", at)
            for gauge in gauges:
                self._found.edge(f"device:{gauge.device_id}", inlet)
            if outfalls:
                members[_nearest(at, outfalls)][inlet] = at
        for pipe in self._kinds["pipe_flow"] if outfalls else ():
            members[_nearest(_at(pipe), outfalls)][f"device:{pipe.device_id}"] = _at(pipe)
        return {
            f"device:{outfall}": found | {f"device:{outfall}": outfalls[outfall]}
            for outfall, found in members.items()
        }

    def _catchment(self, outfall: str, members: dict[str, Point]) -> None:
        """Lead each member to the nearest one that lies nearer to the outfall."""
        mouth = members[outfall]
        ordered = sorted(members, key=lambda name: (math.dist(members[name], mouth), name))
        for index, name in enumerate(ordered):
            nearer = {other: members[other] for other in ordered[:index]}
            if nearer and name != outfall:
                goal = _nearest(members[name], nearer)
                self._run((name, members[name]), (goal, nearer[goal]))

    def _run(self, begin: tuple[str, Point], end: tuple[str, Point]) -> None:
        """Lay a pipe with its manholes."""
        line = shapely.LineString([begin[1], end[1]])
        pieces = max(1, math.ceil(line.length / MANHOLE_SPACING_M))
        steps = [begin[0]]
        for piece in range(1, pieces):
            self._manholes += 1
            here = line.interpolate(piece / pieces, normalized=True)
            number = f"{self._manholes:04d}"
            steps.append(
                self._found.node(f"ys-{number}", "manhole", f"雨水井 {number}", (here.x, here.y))
            )
        steps.append(end[0])
        for upstream, downstream in pairwise(steps):
            self._found.edge(upstream, downstream, f"雨水管 {begin[0].partition(':')[2]}")

    def _river(self, number: int, river: shapely.LineString) -> None:
        """String outfalls and gauges on a river, down to where it leaves the district."""
        stops: list[tuple[float, str, bool]] = []
        for kind in ("outfall_flow", "river_level", "water_quality"):
            for device in self._kinds[kind]:
                if _river_of(_at(device)) == number:
                    along = float(river.project(shapely.Point(_at(device))))
                    stops.append((along, f"device:{device.device_id}", kind == "outfall_flow"))
        if not stops:
            return
        course: list[str] = []
        for along, stop, is_outfall in sorted(stops):
            if not is_outfall:
                course.append(stop)
                continue
            here = river.interpolate(along)
            node_id = f"river-{number}-{len(course) + 1:03d}"
            reach = self._found.node(node_id, "reach", f"{number} 号河段", (here.x, here.y))
            self._found.edge(stop, reach)
            course.append(reach)
        end = river.interpolate(river.length)
        name = f"{number} 号河出境"
        mouth = self._found.node(f"river-{number}-end", "mouth", name, (end.x, end.y))
        for upstream, downstream in pairwise([*course, mouth]):
            self._found.edge(upstream, downstream, f"{number} 号河")


def _drainage(district: District) -> RelationTable:
    return _Drains(district.devices).table()


def _power(district: District) -> RelationTable:
    found = _Collected([], [])
    transformers = {}
    for gateway in district.gateways:
        at = to_plane(gateway.lon, gateway.lat)
        name = f"tr-{gateway.gateway_id}"
        where = (at[0] + 15.0, at[1] - 10.0)
        transformers[gateway.gateway_id] = found.node(
            name, "transformer", f"{gateway.name} 变压器", where
        )
        found.edge(transformers[gateway.gateway_id], f"gateway:{gateway.gateway_id}")
    boxes: dict[str, str] = {}
    for device in district.devices:
        transformer = transformers[device.gateway_id]
        if device.kind == "fire_panel":
            found.edge(transformer, f"device:{device.device_id}")
        if device.kind == "charging_voltage":
            site = str(device.attributes.get("site", device.device_id))
            if site not in boxes:
                boxes[site] = found.node(f"box-{site}", "box", f"{site} 配电箱", _at(device))
                found.edge(transformer, boxes[site])
            found.edge(boxes[site], f"device:{device.device_id}")
    return found.table()


def _river_of(at: Point) -> int:
    """Return the number, from 1, of the river that is nearest."""
    point = shapely.Point(at)
    distances = [float(river.distance(point)) for river in ground().rivers]
    return 1 + distances.index(min(distances))


def _nearest(at: Point, places: dict[str, Point]) -> str:
    return min(places, key=lambda name: (math.dist(places[name], at), name))


def _at(device: Device) -> Point:
    return to_plane(device.lon, device.lat)
