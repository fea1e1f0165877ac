"""``/api/v1/maps`` over a real database: a file in, a proposal, a decision, a file out."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import BaseModel

from core.model import Space
from geodata.frames import frame
from geodata.maps import write
from tests.service.test_map_versions import BLOCKS, LEFT, PLAIN, RIGHT, moved_border
from tests.support.maps import content
from tests.support.small_district import SOUTH, WEST, small_district
from tests.support.twin_api import Api, running_api, soon
from twin.api import words_maps as words
from twin.store import load_district

Conn = psycopg.Connection[Any]

URL = "/api/v1/maps"


@pytest.fixture
async def api(conn: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    load_district(conn, small_district())
    async with running_api(dsn, tmp_path) as running:
        yield running


def file(folder: Path, spaces: list[Space], form: str = "geojson") -> bytes:
    path = folder / f"map.{form}"
    path.unlink(missing_ok=True)
    write.write(path, content(spaces).cells, format=form, frame=frame("EPSG:4490"))
    return path.read_bytes()


async def send(
    api: Api, body: bytes, *, client: httpx2.AsyncClient | None = None, **query: Any
) -> httpx2.Response:
    told: dict[str, Any] = {"name": "街区.geojson", "frame": "EPSG:4490", "partial": True} | query
    return await (client or api.gis).post(f"{URL}/proposals", params=told, content=body)


async def proposed(api: Api, body: bytes, **query: Any) -> dict[str, Any]:
    response = await send(api, body, **query)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    words.Proposal.model_validate(found)
    return found


async def post(api: Api, path: str, body: Any = None) -> httpx2.Response:
    return await api.gis.post(f"{URL}/{path}", json=body)


def checked(kind: type[BaseModel], response: httpx2.Response) -> Any:
    assert response.status_code == 200, response.text
    kind.model_validate(response.json())
    return response.json()


async def test_a_file_becomes_a_proposal_a_version_and_is_rolled_back(
    api: Api, tmp_path: Path
) -> None:
    found = await proposed(api, file(tmp_path, moved_border()), origin="the survey office")
    number = found["proposal_id"]
    assert (found["state"], found["current"], found["made_by"]) == ("open", True, "gis")
    assert found["file"]["name"] == "街区.geojson"
    assert {one["code"] for one in found["diff"]["redrawn"]} == {LEFT, RIGHT}
    listed = checked(words.ProposalList, await api.viewer.get(f"{URL}/proposals"))
    assert [one["proposal_id"] for one in listed["proposals"]] == [number]
    checked(words.Proposal, await api.viewer.get(f"{URL}/proposals/{number}"))

    drawn = checked(
        words.ProposalFeatures, await api.viewer.get(f"{URL}/proposals/{number}/features")
    )
    parts = {(f["properties"]["code"], f["properties"]["part"]) for f in drawn["features"]}
    assert parts == {(code, part) for code in (LEFT, RIGHT) for part in ("before", "after")}
    assert {f["properties"]["change"] for f in drawn["features"]} == {"redrawn"}
    picture = await api.viewer.get(f"{URL}/proposals/{number}/picture.png")
    assert picture.content.startswith(b"\x89PNG")

    refused = await post(api, f"proposals/{number}/apply")
    assert (refused.status_code, refused.json()["status"]) == (409, 409)
    assert "accept_warnings" in refused.json()["detail"]
    body: dict[str, Any] = {"accept_warnings": True, "dry_run": True}
    dry = checked(words.MapApplied, await post(api, f"proposals/{number}/apply", body))
    body = {"accept_warnings": True, "note": "检查过"}
    done = checked(words.MapApplied, await post(api, f"proposals/{number}/apply", body))
    assert done == dry | {"dry_run": False}
    assert (done["version"], sorted(done["redrawn"])) == (2, [LEFT, RIGHT])
    version = checked(words.MapVersion, await api.viewer.get(f"{URL}/versions/2"))
    assert (version["applied_by"], version["note"], version["proposal_id"]) == (
        "gis", "检查过", number,
    )  # fmt: skip
    undone = checked(words.MapApplied, await post(api, "versions/2/rollback", {"note": "no"}))
    assert undone["version"] == 3
    line = checked(words.VersionList, await api.viewer.get(f"{URL}/versions"))
    assert [one["source"] for one in line["versions"]] == ["rollback", "proposal", "district load"]


async def test_a_proposal_can_be_withdrawn_and_compared_anew(api: Api, tmp_path: Path) -> None:
    body = file(tmp_path, moved_border())
    first, second = await proposed(api, body), await proposed(api, body)
    anew = await post(api, f"proposals/{first['proposal_id']}/again")
    assert anew.status_code == 201
    old = await api.get(f"{URL}/proposals/{first['proposal_id']}")
    assert (old["state"], old["replaced_by"]) == ("superseded", anew.json()["proposal_id"])
    taken = await post(api, f"proposals/{second['proposal_id']}/withdraw", {"note": "wrong file"})
    assert checked(words.Proposal, taken)["settled_note"] == "wrong file"
    again = await post(api, f"proposals/{second['proposal_id']}/withdraw")
    assert again.status_code == 409


async def test_a_faulty_map_is_kept_with_its_report_and_never_applied(
    api: Api, tmp_path: Path
) -> None:
    faulty = [dataclasses.replace(BLOCKS[0], outline=BLOCKS[1].outline)]
    found = await proposed(api, file(tmp_path, faulty))
    assert found["errors"]
    assert "overlap" in {one["kind"] for one in found["findings"]}
    assert all(one["detail"] and one["detail_zh"] for one in found["findings"])
    number = found["proposal_id"]
    refused = await post(api, f"proposals/{number}/apply", {"accept_warnings": True})
    assert refused.status_code == 409
    assert "errors" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("query", "body", "said"),
    [
        ({}, b"", "empty"),
        ({}, b"no map", "map"),
        ({"frame": "EPSG:99999"}, None, "99999"),
        ({"frame": "/etc/frame.toml"}, None, "no coordinate system"),
        ({"name": "../../etc/x.geojson"}, None, "name"),
        ({"layer": "nowhere"}, None, "nowhere"),
        ({"code_field": "nothing"}, None, "nothing"),
        ({"within": "nowhere"}, None, ""),
    ],
)
async def test_what_cannot_be_read_is_a_problem_that_says_why(
    api: Api, tmp_path: Path, query: dict[str, Any], body: bytes | None, said: str
) -> None:
    response = await send(api, file(tmp_path, [*PLAIN.spaces]) if body is None else body, **query)
    if "within" in query:
        # The file is good; the report says what is wrong with what was declared.
        assert response.status_code == 201
        assert "unknown_within" in {one["kind"] for one in response.json()["findings"]}
        return
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert said in response.json()["detail"]
    assert str(tmp_path) not in response.text
    assert "blocktwin-map-" not in response.text


async def test_a_file_can_be_looked_at_first(api: Api, tmp_path: Path) -> None:
    response = await api.gis.post(
        f"{URL}/inspect", params={"name": "a.geojson"}, content=file(tmp_path, BLOCKS)
    )
    found = checked(words.LookedAt, response)
    assert found["layers"][0]["features"] == len(BLOCKS)
    assert found["guess"]["mapping"]["code"] == "code"


async def test_only_who_keeps_the_map_may_change_it(api: Api, tmp_path: Path) -> None:
    body = file(tmp_path, moved_border())
    for client, status in ((api.viewer, 403), (api.operator, 403), (api.stranger, 401)):
        assert (await send(api, body, client=client)).status_code == status
    assert (await send(api, body, client=api.admin)).status_code == 201


@pytest.mark.parametrize("form", ["geojson", "gpkg", "shp", "kml", "dxf"])
async def test_the_map_in_force_comes_out_as_a_file(api: Api, form: str) -> None:
    told = {"format": form, "kind": "block", "frame": "EPSG:4547" if form == "dxf" else "EPSG:4490"}
    response = await api.viewer.get(f"{URL}/export", params=told)
    assert response.status_code == 200, response.text
    assert "attachment" in response.headers["content-disposition"]
    assert response.content


async def test_what_is_not_there_is_404(api: Api) -> None:
    for path in ("proposals/99", "versions/99", "proposals/99/features"):
        assert (await api.viewer.get(f"{URL}/{path}")).status_code == 404
    for path in ("proposals/99/apply", "proposals/99/withdraw", "versions/99/rollback"):
        assert (await post(api, path)).status_code == 404


async def test_an_alarm_is_acknowledged_while_changes_of_the_map_wait(api: Api, dsn: str) -> None:
    moves = [f"/api/v1/devices/{device.device_id}/move" for device in small_district().devices[:6]]
    async with await psycopg.AsyncConnection.connect(dsn) as other, asyncio.TaskGroup() as group:
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('blocktwin district'))")
        for path in moves:
            body = {"x": WEST, "y": SOUTH, "reason": "r"}
            group.create_task(api.gis.post(path, json=body), name=path)
        await soon(lambda: _waiting(other))
        async with asyncio.timeout(5):
            path = f"/api/v1/alarms/{uuid.uuid4()}/acknowledge"
            answer = await api.operator.post(path, json={})
        assert answer.status_code == 404
        await other.rollback()


async def _waiting(conn: psycopg.AsyncConnection[Any]) -> bool:
    found = await (await conn.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")).fetchone()
    return found is not None and found[0] >= 2
