"""Relations in a real database: replaced as a set, refused as a whole, walked now and then."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from core.errors import UsageError
from tests.support.servers import settings
from tests.support.small_district import small_district
from tests.support.twin_api import Api, read_once, running_api, soon
from twin.api import words_relations as words
from twin.relations import store
from twin.relations.model import RelationKind, RelationTable
from twin.relations.store import RelationsRefused, SetUnknown
from twin.relations.tables import read_csv
from twin.store import load_district

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]

OUTFALL, PIPE, PUDDLE = "outfall_flow.00003", "pipe_flow.00004", "waterlogging.00005"
HEAD = "from,to,from_lon,from_lat,from_name,from_sort\n"
RIVER = (
    f"{HEAD}device:{PUDDLE},node:YS-1,,,,\nnode:YS-1,device:{PIPE},114.1,22.5,井一,manhole\n"
    f"device:{PIPE},device:{OUTFALL},,,,\ndevice:{OUTFALL},space:440303,,,,\n"
)
DRAINAGE, POWER = RelationKind.DRAINAGE, RelationKind.POWER


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, small_district())
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


def table(text: str) -> RelationTable:
    return read_csv(text, "t.csv")


def put(
    conn: Conn, text: str = RIVER, *, name: str = "river", kind: RelationKind = DRAINAGE,
    dry_run: bool = False,
) -> store.RelationReport:  # fmt: skip
    return store.import_set(conn, name, kind, table(text), by="li", dry_run=dry_run)


def stored(conn: Conn, name: str = "river") -> int:
    row = conn.execute(
        "SELECT count(*) FROM relation JOIN relation_set s USING (set_id)"
        " WHERE s.name = %s AND s.valid_to IS NULL",
        (name,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_set_is_reported_first_and_then_replaced_as_a_whole(loaded: Conn) -> None:
    tried = put(loaded, dry_run=True)
    assert (tried.added, tried.errors, tried.applied, stored(loaded)) == (4, 0, False, 0)
    assert put(loaded).applied
    assert stored(loaded) == 4
    shorter = RIVER.rsplit("\n", 2)[0] + "\n"
    report = put(loaded, shorter)
    assert (report.added, report.gone, report.same) == (0, 1, 3)
    assert stored(loaded) == 3
    versions = loaded.execute("SELECT count(*) FROM relation_set").fetchone()
    put(loaded, shorter)
    assert versions == (2,) == loaded.execute("SELECT count(*) FROM relation_set").fetchone()


def test_a_circle_over_two_sets_is_refused_and_nothing_changes(loaded: Conn) -> None:
    put(loaded)
    back = f"from,to\ndevice:{OUTFALL},node:YS-1\n"
    with pytest.raises(RelationsRefused) as caught:
        put(loaded, back, name="other")
    (finding,) = caught.value.report.findings
    assert finding.nodes == (f"device:{OUTFALL}", "node:YS-1", f"device:{PIPE}")
    assert finding.rows == (2,)
    assert "lead in a circle" in str(caught.value)
    assert (stored(loaded), stored(loaded, "other")) == (4, 0)
    # What is drained in a circle may still be powered so.
    powered = f"from,to\nnode:YS-1,device:{PIPE}\n"
    assert put(loaded, powered, name="power", kind=POWER).applied


def test_a_set_whose_nodes_others_use_stays(loaded: Conn) -> None:
    put(loaded)
    put(loaded, f"from,to\nnode:YS-1,device:{PIPE}\n", name="power", kind=POWER)
    refused = "'power' leads to or from it"
    with pytest.raises(RelationsRefused, match=refused):
        store.remove_set(loaded, "river", dry_run=False)
    with pytest.raises(RelationsRefused, match=refused):
        put(loaded, f"from,to\ndevice:{PIPE},device:{OUTFALL}\n")
    tried = store.remove_set(loaded, "power", dry_run=True)
    assert (tried.gone, tried.applied, stored(loaded, "power")) == (1, False, 1)
    assert store.remove_set(loaded, "power", dry_run=False).applied
    assert store.remove_set(loaded, "river", dry_run=False).gone == 4
    with pytest.raises(SetUnknown):
        store.remove_set(loaded, "river", dry_run=False)


def test_a_set_keeps_its_kind_and_its_nodes_to_itself(loaded: Conn) -> None:
    put(loaded)
    with pytest.raises(UsageError, match="is of kind drainage"):
        put(loaded, kind=POWER)
    taken = f"{HEAD}node:YS-1,device:{PUDDLE},114.1,22.5,,\n"
    with pytest.raises(RelationsRefused, match="belongs to the set 'river'"):
        put(loaded, taken, name="other")


def test_two_imports_at_once_cannot_close_a_circle(loaded: Conn, dsn: str) -> None:
    texts = [
        f"from,to\ndevice:{PIPE},device:{OUTFALL}\n",
        f"from,to\ndevice:{OUTFALL},device:{PIPE}\n",
    ]
    refused: list[RelationsRefused] = []
    ready = threading.Barrier(2)

    def run(number: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as own:
            ready.wait()
            try:
                put(own, texts[number], name=f"set-{number}")
            except RelationsRefused as error:
                refused.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert refused[0].report.findings[0].kind == "cycle"


async def test_a_trace_carries_places_names_and_the_live_state(api: Api, loaded: Conn) -> None:
    put(loaded)
    read_once(loaded, PIPE, "flow", 1.5)

    async def fresh() -> bool:
        found = await api.get("/api/v1/relations/trace", node="node:YS-1", kind="drainage")
        return bool(found["nodes"][1]["freshness"] == "fresh")

    await soon(fresh)
    found = await api.get("/api/v1/relations/trace", node=f"device:{PUDDLE}", kind="drainage")
    words.TraceBody.model_validate(found)
    assert [(n["node"], n["depth"]) for n in found["nodes"]] == [
        (f"device:{PUDDLE}", 0),
        ("node:YS-1", 1),
        (f"device:{PIPE}", 2),
        (f"device:{OUTFALL}", 3),
        ("space:440303", 4),
    ]
    puddle, manhole, pipe, _, district = found["nodes"]
    assert (manhole["name"], manhole["lon"], manhole["sort"]) == ("井一", 114.1, "manhole")
    assert (manhole["severity"], manhole["device_id"]) == (None, None)
    assert (puddle["freshness"], pipe["device_id"], pipe["severity"]) == ("never", PIPE, 0)
    assert (district["severity"], district["freshness"]) == (0, None)
    assert len(found["edges"]) == 4
    up = await api.get(
        "/api/v1/relations/trace",
        node=f"device:{OUTFALL}",
        kind="drainage",
        direction="up",
        depth=2,
    )
    assert [n["node"] for n in up["nodes"]][1:] == [f"device:{PIPE}", "node:YS-1"]
    assert up["cut"]


async def test_gateway_relations_follow_from_the_devices(api: Api) -> None:
    down = await api.get("/api/v1/relations/trace", node="gateway:gw-a", kind="gateway")
    assert len(down["nodes"]) == 11
    up = await api.get(
        "/api/v1/relations/trace", node=f"device:{PIPE}", kind="gateway", direction="up"
    )
    assert [n["node"] for n in up["nodes"]] == [f"device:{PIPE}", "gateway:gw-a"]
    listed = await api.get("/api/v1/relations", kind="gateway")
    words.RelationList.model_validate(listed)
    assert len(listed["relations"]) == 20


async def test_the_network_of_then_can_be_walked(api: Api, loaded: Conn) -> None:
    put(loaded)
    between = datetime.now(UTC).isoformat()
    store.remove_set(loaded, "river", dry_run=False)
    query = {"node": f"device:{PIPE}", "kind": "drainage"}
    assert len((await api.get("/api/v1/relations/trace", **query))["nodes"]) == 1
    then = await api.get("/api/v1/relations/trace", **query, at=between)
    assert len(then["nodes"]) == 3
    listed = await api.get("/api/v1/relations", node="node:YS-1", at=between)
    assert {(row["from"], row["to"]) for row in listed["relations"]} == {
        (f"device:{PUDDLE}", "node:YS-1"),
        ("node:YS-1", f"device:{PIPE}"),
    }
    sets = await api.get("/api/v1/relations/sets", at=between)
    words.RelationSetList.model_validate(sets)
    assert [(s["name"], s["edges"], s["nodes"], s["by"]) for s in sets["sets"]] == [
        ("river", 4, 1, "li")
    ]
    assert (await api.get("/api/v1/relations/sets"))["sets"] == []


async def test_relations_come_in_pages(api: Api, loaded: Conn) -> None:
    put(loaded)
    seen: list[tuple[str, str]] = []
    after = None
    while True:
        query = {"kind": "drainage", "limit": 3} | ({"after": after} if after else {})
        page = await api.get("/api/v1/relations", **query)
        words.RelationList.model_validate(page)
        seen += [(row["from"], row["to"]) for row in page["relations"]]
        if (after := page["next"]) is None:
            break
    assert len(seen) == 4
    assert seen == sorted(seen)
    of_node = await api.get("/api/v1/relations", node=f"device:{PIPE}")
    assert sorted(row["kind"] for row in of_node["relations"]) == [
        "drainage",
        "drainage",
        "gateway",
    ]


async def test_a_file_is_imported_by_those_who_keep_the_maps(api: Api) -> None:
    query = {"kind": "drainage", "set": "river", "name": "r.csv"}
    path = "/api/v1/relations/import"
    for client in (api.viewer, api.operator):
        assert (await client.post(path, params=query, content=RIVER.encode())).status_code == 403
    tried = await api.gis.post(path, params=query | {"dry_run": True}, content=RIVER.encode())
    words.RelationReportWord.model_validate(tried.json())
    assert tried.json()["applied"] is False
    done = await api.gis.post(path, params=query, content=RIVER.encode())
    assert (done.status_code, done.json()["applied"]) == (200, True)
    assert done.json()["source"] == "r.csv"
    loop = f"from,to\ndevice:{PIPE},device:{PIPE}\n".encode()
    refused = await api.gis.post(path, params=query, content=loop)
    assert refused.status_code == 409
    assert "row 2" in refused.json()["detail"]
    shown = await api.gis.post(path, params=query | {"dry_run": True}, content=loop)
    assert shown.json()["findings"][0]["kind"] == "self_loop"
    for change, content in (
        ({"name": "r.vrt"}, b"<OGRVRTDataSource/>"),
        ({"name": "../r.csv"}, b""),
        ({"frame": "nonsense"}, b""),
        ({"set": "River"}, b""),
        ({"kind": "gateway"}, b""),
        ({}, b"no table"),
    ):
        response = await api.gis.post(path, params=query | change, content=content)
        assert response.status_code == 422, response.text
    gone = await api.gis.delete("/api/v1/relations/sets/river", params={"dry_run": True})
    assert (gone.json()["gone"], gone.json()["applied"]) == (4, False)
    assert (await api.gis.delete("/api/v1/relations/sets/river")).status_code == 200
    assert (await api.gis.delete("/api/v1/relations/sets/river")).status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"node": "node:nowhere"}, 404),
        ({"node": "device:nobody"}, 404),
        ({"node": "nowhere"}, 422),
        ({"node": f"device:{PIPE}", "kind": "love"}, 422),
        ({"node": f"device:{PIPE}", "at": "2190-01-01T00:00:00Z"}, 422),
    ],
)
async def test_a_trace_of_nothing_is_refused(api: Api, query: dict[str, str], status: int) -> None:
    response = await api.viewer.get("/api/v1/relations/trace", params={"kind": "drainage"} | query)
    assert response.status_code == status, response.text


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        blocktwin.main(list(words))
    return int(str(end.value.code or 0))


def test_the_command_imports_lists_traces_and_removes(
    loaded: Conn, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    del loaded
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "r.csv"
    file.write_text(RIVER)
    given = ("relation", "import", str(file), "--kind", "drainage", "--set", "river")
    assert run(*given, "--dry-run") == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert run(*given, "--as", "li", "--json") == 0
    assert json.loads(capsys.readouterr().out)["applied"] is True
    assert run("relation", "list") == 0
    assert "river" in capsys.readouterr().out
    assert run("relation", "list", "--node", f"device:{PIPE}", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert run("relation", "trace", f"device:{OUTFALL}", "--direction", "up", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["nodes"]) == 4
    assert run("relation", "trace", "node:YS-1") == 0
    assert "井一" in capsys.readouterr().out
    file.write_text(f"from,to\ndevice:{PIPE},device:nobody\n")
    assert run(*given, "--dry-run") == 1
    assert "there is no device 'nobody'" in capsys.readouterr().out
    assert run(*given) == 1
    assert "cannot become the set 'river'" in capsys.readouterr().err
    assert run("relation", "trace", "node:nowhere") == 2
    assert run("relation", "trace", "nowhere") == 2
    assert run("relation", "remove", "--set", "river", "--dry-run") == 0
    assert run("relation", "remove", "--set", "river") == 0
    assert run("relation", "remove", "--set", "river") == 2
