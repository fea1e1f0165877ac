"""Proposals applied and rolled back in a real database: outlines, words, owners, history."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
import pytest
import shapely
from shapely import affinity

from core.errors import UsageError
from core.model import Device, District, Space, SpaceKind
from tests.support.maps import by_code, content, outline, shape
from tests.support.small_district import (
    BLOCK,
    SOUTH,
    STEP,
    WEST,
    block_code,
    small_district,
    square,
)
from twin import versions
from twin.history import moment
from twin.maps import history, in_force, proposals
from twin.maps.refusals import NoSuchProposal, NoSuchVersion, NotPossible
from twin.store import load_district
from twin.versions import MapBusy

Conn = psycopg.Connection[Any]

PLAIN = small_district(devices=0)
SPACES = by_code(PLAIN.spaces)
BLOCKS = [space for space in PLAIN.spaces if space.kind is SpaceKind.BLOCK]
LEFT, RIGHT = block_code(0, 0), block_code(1, 0)


def device(number: int, lon: float, lat: float) -> Device:
    return Device(
        device_id=f"heat.{number}",
        kind="heat",
        name="",
        lon=lon,
        lat=lat,
        gateway_id="gw-a",
        interval_s=10.0,
    )


# On the grass beside the buildings, where the block is the smallest space.
DEVICES = tuple(
    device(10 * column + row, WEST + column * STEP + BLOCK * share, SOUTH + row * STEP + BLOCK / 8)
    for column in range(4)
    for row, share in ((0, 0.2), (1, 0.5), (2, 0.9))
)


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, dataclasses.replace(PLAIN, devices=DEVICES), by="the officer")
    return conn


def owners(conn: Conn) -> dict[str, str | None]:
    rows = conn.execute("SELECT device_id, s.code FROM device LEFT JOIN space s USING (space_id)")
    return dict(rows.fetchall())


def picture(conn: Conn) -> dict[str, Any]:
    """Everything that a rollback must bring back, by code."""
    current = in_force.read(conn)
    spaces = {code: current.space(i) for code, i in current.index().items()}
    return {"spaces": spaces, "owners": owners(conn)}


def propose(conn: Conn, spaces: Sequence[Space], *, partial: bool = True) -> int:
    return proposals.propose(conn, content(spaces), partial=partial, by="the officer")


def take_over(conn: Conn, spaces: Sequence[Space], *, partial: bool = True) -> proposals.Applied:
    number = propose(conn, spaces, partial=partial)
    return proposals.apply(conn, number, by="the chief", accept_warnings=True)


def moved_border(share: float = 0.45) -> list[Space]:
    """The left block grows over the road into a part of the right one."""
    east = WEST + STEP + BLOCK * share
    return [
        dataclasses.replace(SPACES[LEFT], outline=square(WEST, SOUTH, east, SOUTH + BLOCK)),
        dataclasses.replace(
            SPACES[RIGHT], outline=square(east, SOUTH, WEST + STEP + BLOCK, SOUTH + BLOCK)
        ),
    ]


def without(code: str) -> list[Space]:
    return [space for space in BLOCKS if space.code != code]


def test_a_map_goes_in_and_its_rollback_brings_everything_back(loaded: Conn) -> None:
    before = picture(loaded)
    spaces = moved_border()
    spaces[0] = dataclasses.replace(spaces[0], name="新名")
    proposal = propose(loaded, spaces)
    assert picture(loaded) == before
    shown = proposals.show(loaded, proposal)
    assert {one["code"] for one in shown["diff"]["redrawn"]} == {LEFT, RIGHT}
    assert [(m["node_id"], m["from_code"], m["to_code"]) for m in shown["moves"]] == [
        ("heat.10", RIGHT, LEFT)
    ]
    done = proposals.apply(loaded, proposal, by="the chief", note="检查过", accept_warnings=True)
    assert (done.version, done.redrawn, done.added, done.gone) == (2, (LEFT, RIGHT), (), ())
    assert owners(loaded)["heat.10"] == LEFT
    assert picture(loaded)["spaces"][LEFT].name == "新名"
    assert picture(loaded)["spaces"][LEFT].frame == "EPSG:4547"
    undone = history.rollback(loaded, 2, by="the chief")
    assert [(m.node_id, m.from_code, m.to_code) for m in undone.moves] == [("heat.10", LEFT, RIGHT)]
    assert picture(loaded) == before
    line = [(v["version_id"], v["source"], v["undoes"]) for v in history.listed(loaded)]
    assert line == [(3, "rollback", 2), (2, "proposal", None), (1, "district load", None)]
    assert proposals.show(loaded, proposal)["state"] == "applied"


def test_a_rollback_can_itself_be_rolled_back(loaded: Conn) -> None:
    take_over(loaded, moved_border())
    then = picture(loaded)
    history.rollback(loaded, 2, by="a")
    history.rollback(loaded, 3, by="a")
    assert picture(loaded) == then


def test_corrected_words_make_no_new_outline_and_come_back(loaded: Conn) -> None:
    before = picture(loaded)
    renamed = dataclasses.replace(SPACES[LEFT], name="红岭中路北")
    done = take_over(loaded, [renamed])
    assert (done.corrected, done.redrawn) == ((LEFT,), ())
    rows = loaded.execute("SELECT count(*) FROM space WHERE code = %s", (LEFT,)).fetchone()
    assert rows == (1,)
    history.rollback(loaded, done.version, by="a")
    assert picture(loaded) == before


def test_what_a_file_does_not_say_is_kept(loaded: Conn) -> None:
    bare = dataclasses.replace(SPACES[LEFT], name="", name_en="", parent=None)
    number = propose(loaded, [bare])
    shown = proposals.show(loaded, number)
    assert shown["diff"]["counts"] == {"added": 0, "redrawn": 0, "changed": 0, "gone": 0, "same": 1}


def test_a_whole_map_ends_what_it_lacks_and_says_so(loaded: Conn) -> None:
    number = propose(loaded, without(block_code(3, 2)), partial=False)
    findings = {f["kind"]: f for f in proposals.show(loaded, number)["findings"]}
    assert findings["gone"]["weight"] == "warning"
    assert "1 of 12 blocks" in findings["gone"]["detail"]
    # Its building would be left without a block.
    assert findings["orphan"]["weight"] == "error"
    with pytest.raises(NotPossible, match="errors"):
        proposals.apply(loaded, number, by="a", accept_warnings=True)


def test_a_part_of_a_map_ends_nothing(loaded: Conn) -> None:
    number = propose(loaded, without(block_code(3, 2)), partial=True)
    assert proposals.show(loaded, number)["diff"]["gone"] == []


def test_a_block_that_is_split_gives_its_building_to_the_part_that_holds_it(loaded: Conn) -> None:
    west = square(WEST, SOUTH, WEST + BLOCK / 4, SOUTH + BLOCK)
    east = square(WEST + BLOCK / 4, SOUTH, WEST + BLOCK, SOUTH + BLOCK)
    parts = [
        dataclasses.replace(SPACES[LEFT], code=f"a-b900{n}", outline=part)
        for n, part in enumerate((west, east))
    ]
    before = picture(loaded)
    done = take_over(loaded, [*without(LEFT), *parts], partial=False)
    assert (done.added, done.gone) == (("a-b9000", "a-b9001"), (LEFT,))
    after = picture(loaded)["spaces"]
    assert after[f"{LEFT}-1"].parent == "a-b9001"
    assert owners(loaded)["heat.0"] == "a-b9000"
    history.rollback(loaded, done.version, by="a")
    assert picture(loaded) == before


def test_a_building_that_its_block_leaves_goes_to_the_block_that_takes_its_place(
    loaded: Conn,
) -> None:
    before = picture(loaded)
    done = take_over(loaded, moved_border(0.8))
    assert f"{RIGHT}-1" in done.redrawn
    assert picture(loaded)["spaces"][f"{RIGHT}-1"].parent == LEFT
    history.rollback(loaded, done.version, by="a")
    assert picture(loaded) == before


def test_the_children_of_a_redrawn_space_follow_it(loaded: Conn) -> None:
    take_over(loaded, moved_border())
    row = loaded.execute(
        "SELECT count(*) FROM space c JOIN space p ON p.space_id = c.parent_id"
        " WHERE c.valid_to IS NULL AND p.valid_to IS NOT NULL"
    ).fetchone()
    assert row == (0,)


def test_an_open_alarm_keeps_the_outline_it_was_raised_in(loaded: Conn) -> None:
    row = loaded.execute("SELECT space_id FROM device WHERE device_id = 'heat.10'").fetchone()
    assert row is not None
    take_over(loaded, moved_border())
    old = loaded.execute(
        "SELECT code, valid_to IS NOT NULL FROM space WHERE space_id = %s", row
    ).fetchone()
    assert old == (RIGHT, True)


def test_history_shows_the_grid_of_then(loaded: Conn, dsn: str) -> None:
    row = loaded.execute("SELECT now()").fetchone()
    assert row is not None
    then: datetime = row[0]
    parts = [
        dataclasses.replace(SPACES[LEFT], code=f"a-b900{n}", outline=part)
        for n, part in enumerate(
            (
                square(WEST, SOUTH, WEST + BLOCK / 4, SOUTH + BLOCK),
                square(WEST + BLOCK / 4, SOUTH, WEST + BLOCK, SOUTH + BLOCK),
            )
        )
    ]
    take_over(loaded, [*without(LEFT), *parts], partial=False)

    async def look(at: datetime | None) -> dict[str, str]:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
            known = await moment.topology(conn, at)
        by_id = known.rows
        return {s.code: by_id[s.parent_id].code if s.parent_id else "" for s in known.spaces}

    past, now = asyncio.run(look(then)), asyncio.run(look(None))
    assert past[f"{LEFT}-1"] == LEFT
    assert now[f"{LEFT}-1"] == "a-b9001"
    assert LEFT in past
    assert LEFT not in now


def test_what_was_compared_with_another_map_is_not_applied_until_compared_anew(
    loaded: Conn,
) -> None:
    first, second = propose(loaded, moved_border(0.4)), propose(loaded, moved_border(0.3))
    proposals.apply(loaded, first, by="a", accept_warnings=True)
    with pytest.raises(NotPossible, match="compared with map version 1") as caught:
        proposals.apply(loaded, second, by="a", accept_warnings=True)
    assert f"blocktwin map diff {second} --again" in caught.value.remedy
    third = proposals.again(loaded, second, by="a")
    old = proposals.show(loaded, second)
    assert (old["state"], old["replaced_by"]) == ("superseded", third)
    assert proposals.apply(loaded, third, by="a", accept_warnings=True).version == 3


def test_warnings_must_be_accepted(loaded: Conn) -> None:
    number = propose(loaded, moved_border())
    with pytest.raises(NotPossible, match="warnings") as caught:
        proposals.apply(loaded, number, by="a")
    assert "--accept-warnings" in caught.value.remedy
    assert proposals.show(loaded, number)["state"] == "open"


@pytest.mark.parametrize("settle", ["applied", "withdrawn"])
def test_a_settled_proposal_stays_as_it_is(loaded: Conn, settle: str) -> None:
    number = propose(loaded, moved_border())
    if settle == "applied":
        proposals.apply(loaded, number, by="a", accept_warnings=True)
    else:
        proposals.withdraw(loaded, number, by="a", note="wrong file")
    with pytest.raises(NotPossible, match=settle):
        proposals.apply(loaded, number, by="a", accept_warnings=True)
    with pytest.raises(NotPossible, match=settle):
        proposals.withdraw(loaded, number, by="a")
    with pytest.raises(NotPossible, match=settle):
        proposals.again(loaded, number, by="a")


def test_a_dry_run_tells_the_same_and_changes_nothing(loaded: Conn) -> None:
    before = picture(loaded)
    number = propose(loaded, moved_border())
    dry = proposals.apply(loaded, number, by="a", accept_warnings=True, dry_run=True)
    assert picture(loaded) == before
    assert proposals.show(loaded, number)["state"] == "open"
    assert proposals.apply(loaded, number, by="a", accept_warnings=True) == dry
    undone = history.rollback(loaded, 2, by="a", dry_run=True)
    assert history.rollback(loaded, 2, by="a") == undone


def test_an_older_version_can_be_rolled_back_only_if_no_later_one_touched_its_codes(
    loaded: Conn,
) -> None:
    take_over(loaded, moved_border())
    other = SPACES[block_code(3, 2)]
    take_over(loaded, [dataclasses.replace(other, name="别处")])
    assert history.rollback(loaded, 2, by="a").version == 4
    with pytest.raises(NotPossible, match=rf"{LEFT} \(version 4\)"):
        history.rollback(loaded, 2, by="a")
    with pytest.raises(NotPossible, match="version 1 cannot be rolled back"):
        history.rollback(loaded, 1, by="a")


def test_the_rollback_of_a_parent_that_got_children_since_is_refused(loaded: Conn) -> None:
    north = square(WEST, SOUTH + 4 * STEP, WEST + BLOCK, SOUTH + 5 * STEP)
    plot = dataclasses.replace(SPACES[LEFT], code="a-plot", outline=north)
    load_district(loaded, District(spaces=(plot,), gateways=(), devices=()))
    shed = dataclasses.replace(SPACES[f"{LEFT}-1"], code="a-shed", parent="a-plot")
    load_district(loaded, District(spaces=(shed,), gateways=(), devices=()))
    with pytest.raises(UsageError, match="a-shed lies in a-plot"):
        history.rollback(loaded, 2, by="a")
    assert picture(loaded)["spaces"]["a-shed"].parent == "a-plot"


def test_a_level_that_would_put_spaces_in_a_circle_is_refused(loaded: Conn) -> None:
    before = picture(loaded)
    inside_out = dataclasses.replace(SPACES["street-a"], kind=SpaceKind.BUILDING, parent="grid-a")
    with pytest.raises(UsageError, match="community community-a in building street-a"):
        load_district(loaded, District(spaces=(inside_out,), gateways=(), devices=()))
    assert picture(loaded) == before


def test_what_was_before_the_first_version_is_not_guessed(loaded: Conn) -> None:
    loaded.execute("UPDATE map_version SET source = 'before versions'")
    before = picture(loaded)
    with pytest.raises(NotPossible, match="when versions began"):
        history.rollback(loaded, 1, by="a")
    assert picture(loaded) == before


def test_the_map_of_a_part_stays_one_when_it_is_compared_anew(loaded: Conn) -> None:
    mine = [space for space in without(LEFT) if space.parent == "grid-a"]
    number = proposals.propose(loaded, content(mine), partial=False, within="street-a", by="a")
    assert proposals.show(loaded, number)["diff"]["gone"] == [LEFT]
    other = proposals.again(loaded, number, by="a")
    shown = proposals.show(loaded, other)
    assert (shown["within"], shown["diff"]["gone"]) == ("street-a", [LEFT])


def test_who_waits_too_long_for_another_is_told_why(loaded: Conn, dsn: str) -> None:
    with psycopg.connect(dsn) as other, psycopg.connect(dsn, autocommit=True) as late:
        versions.begin(other)
        late.execute("SET statement_timeout = '50ms'")
        with pytest.raises(MapBusy, match="somebody else is changing the map"):
            history.rollback(late, 1, by="a")
    assert [row["version_id"] for row in history.listed(loaded)] == [1]


def test_what_is_not_there_is_said(loaded: Conn) -> None:
    with pytest.raises(NoSuchProposal):
        proposals.show(loaded, 99)
    with pytest.raises(NoSuchProposal):
        proposals.apply(loaded, 99, by="a")
    with pytest.raises(NoSuchVersion):
        history.rollback(loaded, 99, by="a")


def test_of_two_that_apply_at_once_one_wins_and_the_other_is_told(loaded: Conn, dsn: str) -> None:
    numbers = [propose(loaded, moved_border(0.4)), propose(loaded, moved_border(0.3))]
    said: list[str] = []
    start = threading.Barrier(2)

    def run(number: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as own:
            start.wait()
            try:
                done = proposals.apply(own, number, by=f"officer {number}", accept_warnings=True)
                said.append(f"version {done.version}")
            except NotPossible as error:
                said.append(str(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert max(said) == "version 2"
    assert "compared with map version 1, and version 2 is in force now" in min(said)
    assert len(history.listed(loaded)) == 2


def test_an_application_that_is_killed_leaves_nothing(loaded: Conn, dsn: str) -> None:
    before = picture(loaded)
    number = propose(loaded, moved_border())
    # The devices' rows are held, so the application hangs in the middle: outlines are written,
    # devices are not.
    with psycopg.connect(dsn) as holder:
        holder.execute("SELECT FROM device FOR UPDATE")
        victim = psycopg.connect(dsn, autocommit=True)
        failed: list[Exception] = []

        def run() -> None:
            try:
                proposals.apply(victim, number, by="a", accept_warnings=True)
            except psycopg.OperationalError as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        pid = victim.info.backend_pid
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        )
        while loaded.execute(waiting, (pid,)).fetchone() != (1,):
            assert thread.is_alive()
        loaded.execute("SELECT pg_terminate_backend(%s)", (pid,))
        thread.join(30)
    assert failed
    assert picture(loaded) == before
    assert proposals.show(loaded, number)["state"] == "open"
    assert proposals.apply(loaded, number, by="a", accept_warnings=True).version == 2


def test_a_device_registered_between_proposal_and_application_is_placed_rightly(
    loaded: Conn,
) -> None:
    number = propose(loaded, moved_border())
    late = device(99, WEST + STEP + BLOCK * 0.42, SOUTH + BLOCK / 8)
    load_district(loaded, District(spaces=(), gateways=(), devices=(late,)))
    assert owners(loaded)["heat.99"] == RIGHT
    done = proposals.apply(loaded, number, by="a", accept_warnings=True)
    assert owners(loaded)["heat.99"] == LEFT
    assert "heat.99" in {move.node_id for move in done.moves}


def test_workers_are_told_of_a_new_map(loaded: Conn, dsn: str) -> None:
    number = propose(loaded, moved_border())
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute("LISTEN blocktwin_registry")
        proposals.apply(loaded, number, by="a", accept_warnings=True)
        assert [n.channel for n in listener.notifies(timeout=5, stop_after=1)]


@pytest.mark.parametrize("seed", range(6))
def test_the_moves_that_a_proposal_lists_are_those_that_happen(conn: Conn, seed: int) -> None:
    chance = random.Random(seed)
    points = [
        device(n, WEST + chance.uniform(-0.1, 4.1) * STEP, SOUTH + chance.uniform(-0.1, 3.1) * STEP)
        for n in range(300)
    ]
    load_district(conn, dataclasses.replace(PLAIN, devices=tuple(points)))
    before = owners(conn)
    changed = [
        dataclasses.replace(
            block,
            outline=outline(
                affinity.translate(
                    affinity.scale(shape(block), *(chance.uniform(0.7, 1.05) for _ in "xy")),
                    *(chance.uniform(-0.1, 0.1) * STEP for _ in "xy"),
                )
            ),
        )
        for block in chance.sample(BLOCKS, 5)
    ]
    number = propose(conn, changed)
    shown = proposals.show(conn, number)
    if shown["errors"]:
        # Overlaps of the random blocks: they are placed in all the same, so take them as they are.
        conn.execute("UPDATE map_proposal SET errors = 0")
    done = proposals.apply(conn, number, by="a", accept_warnings=True)
    after = owners(conn)
    happened = {i: (before[i], after[i]) for i in before if before[i] != after[i]}
    listed = [m for m in shown["moves"] if m["node"] == "device"]
    told = {m["node_id"]: (m["from_code"], m["to_code"]) for m in listed}
    recorded = {m.node_id: (m.from_code, m.to_code) for m in done.moves if m.node == "device"}
    assert told == recorded == happened
    cells = in_force.read(conn).cells
    grid = list(zip(cells.codes, cells.outlines, strict=True))
    for point in chance.sample(points, 20):
        holders = {c for c, o in grid if o.intersects(shapely.Point(point.lon, point.lat))}
        owner = after[point.device_id]
        assert owner in holders or not holders
