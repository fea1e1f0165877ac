from __future__ import annotations

from core.model import District, Field
from simulators.story import ROUND_S, events_of


def test_all_of_it_begins_within_half_a_minute_and_ends_within_its_round(
    district: District,
) -> None:
    for number in range(5):
        events = events_of(district, 7, number)
        assert [event.kind for event in events] == ["fire", "storm", "slope", "traffic", "outage"]
        begin = number * ROUND_S
        assert all(begin < event.begins_s <= begin + 30 for event in events)
        assert all(event.ends_s < begin + ROUND_S for event in events)
        assert {event.field for event in events} == set(Field)


def test_a_round_is_told_alike_every_time_and_another_seed_tells_another(
    district: District,
) -> None:
    def places(seed: int, number: int) -> list[str]:
        return [event.site for event in events_of(district, seed, number)]

    assert places(7, 3) == places(7, 3)
    assert places(7, 3) != places(8, 3)


def test_no_place_comes_twice_before_all_had_their_turn(district: District) -> None:
    rounds = [events_of(district, 7, number) for number in range(20)]
    for which in range(4):
        assert len({events[which].site for events in rounds}) == 20


def test_the_gateway_that_dies_carries_none_of_the_others_devices(district: District) -> None:
    home = {device.device_id: device.gateway_id for device in district.devices}
    for number in range(10):
        *others, outage = events_of(district, 7, number)
        busy = {home[device] for event in others for device in event.must_alarm}
        assert outage.site not in busy
        assert list(outage.must_alarm) == [outage.site]


def test_a_spared_gateway_does_not_die(district: District) -> None:
    all_but_one = frozenset(gateway.gateway_id for gateway in district.gateways[1:])
    events = events_of(district, 7, 0, spared=all_but_one)
    assert events[-1].site == district.gateways[0].gateway_id
