"""The demo district's networks: whole, without circles, and leading where water leads."""

from __future__ import annotations

from functools import cache

from core.model import District
from simulators.district import demo_district
from simulators.network import demo_networks
from twin.relations.check import World, judge
from twin.relations.graph import Direction, Graph
from twin.relations.model import RelationKind, RelationTable


@cache
def district() -> District:
    return demo_district()


@cache
def tables() -> dict[RelationKind, RelationTable]:
    return {network.kind: network.table for network in demo_networks(district())}


def graph(kind: RelationKind) -> Graph:
    return Graph((edge.upstream, edge.downstream) for edge in tables()[kind].edges)


def test_nothing_in_them_would_be_refused() -> None:
    whole = district()
    world = World(
        known={
            "device": frozenset(d.device_id for d in whole.devices),
            "gateway": frozenset(g.gateway_id for g in whole.gateways),
            "space": frozenset(s.code for s in whole.spaces),
        },
        nodes={},
        edges={},
        leaning={},
    )
    for kind, table in tables().items():
        assert judge(table, kind, world) == []


def test_the_same_district_gives_the_same_networks() -> None:
    assert demo_networks(district()) == demo_networks(district())


def test_every_low_spot_drains_out_of_the_district_through_an_outfall() -> None:
    drains = graph(RelationKind.DRAINAGE)
    for device in district().devices:
        if device.kind in {"waterlogging", "pipe_flow", "outfall_flow"}:
            below = drains.trace(f"device:{device.device_id}", Direction.DOWN).depths
            assert any(node.endswith("-end") for node in below), device.device_id
            assert any(node.startswith("device:outfall_flow") for node in below), device.device_id


def test_every_charging_meter_hangs_on_a_transformer() -> None:
    power = graph(RelationKind.POWER)
    meters = [d for d in district().devices if d.kind == "charging_voltage"]
    assert len(meters) == 80
    for device in meters:
        above = power.trace(f"device:{device.device_id}", Direction.UP).depths
        assert f"node:tr-{device.gateway_id}" in above
