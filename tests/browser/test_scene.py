"""The 3D view in a real Chromium: drawn under our security policy, live, by mouse and keys."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from geodata.frames import frame
from geodata.mesh.plane import Plane
from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, device_of, enter, raise_fire
from tests.support.small_district import BLOCK, SOUTH, WEST, block_code
from twin.scenes import surfaces

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

_OPEN = """(scene) => document.querySelector("bt-app").shadowRoot.querySelector("bt-map-view")
    .dispatchEvent(new CustomEvent("bt-scene", {detail: scene, bubbles: true, composed: true}))"""
_INK = """view => {
    const canvas = view.shadowRoot.querySelector("canvas");
    const small = document.createElement("canvas");
    [small.width, small.height] = [64, 64];
    const pen = small.getContext("2d");
    return new Promise(done => { view.stage.draw(); requestAnimationFrame(() => {
        pen.drawImage(canvas, 0, 0, 64, 64);
        const seen = new Set();
        const {data} = pen.getImageData(0, 0, 64, 64);
        for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());
        done(seen.size);
    }); });
}"""


def opened(page: Page, **scene: str) -> Locator:
    page.evaluate(_OPEN, scene)
    view = page.locator("bt-scene-view")
    expect(view).to_have_attribute("data-ready", "", timeout=30 * SECONDS)
    return view


def surveyed(stack: Stack) -> str:
    """Keep a survey of the first block that falls to the south."""
    east, north = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-60, 60, 13)] * 2))
    plane = Plane(lon=WEST + BLOCK / 2, lat=SOUTH + BLOCK / 2)
    lonlat = plane.degrees(np.column_stack([east, north]))
    rows = [f"{x},{y},{40 + 0.5 * n}" for (x, y), n in zip(lonlat, north, strict=True)]
    deed = surfaces.Deed(
        name="东坡", space=block_code(0, 0), surveyed_at=datetime(2026, 5, 1, tzinfo=UTC),
        height_datum="1985", source="synthetic", file_name="a.csv",
    )  # fmt: skip
    data = "\n".join(rows).encode()
    taken = surfaces.take(stack.conn, data, frame("EPSG:4490"), deed, actor="test")
    found: str = taken.row["surface_id"]
    return found


def test_a_block_is_drawn_and_follows_its_alarms(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    device, _ = device_of(stack, "heat")
    row = stack.conn.execute(
        "SELECT p.code FROM device d JOIN space s USING (space_id)"
        " JOIN space p ON p.space_id = s.parent_id WHERE d.device_id = %s",
        (device,),
    ).fetchone()
    assert row is not None
    view = opened(page, space=row[0])
    expect(view.get_by_text("1 栋建筑")).to_be_visible()
    assert view.evaluate(_INK) > 8
    rows = view.locator("button.row")
    calm = rows.count()
    assert calm >= 1

    raise_fire(stack)
    expect(rows.first.locator(".ladder")).to_be_visible(timeout=10 * SECONDS)
    expect(rows.first).to_contain_text("橙色")

    rows.first.click()
    expect(page.locator("bt-device-panel")).to_contain_text(device, timeout=10 * SECONDS)
    assert desk.errors == []
    assert desk.violations() == []


def test_a_slope_shows_its_angles_and_turns_by_keys(desk: Desk, stack: Stack) -> None:
    kept = surveyed(stack)
    page = enter(desk, stack)
    view = opened(page, surface=kept)
    expect(view.locator(".legend")).to_contain_text("≥ 60°")
    expect(view.get_by_text("地形为合成数据")).to_be_visible()
    needle = view.locator(".needle")
    before = needle.get_attribute("transform")
    view.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    expect(needle).not_to_have_attribute("transform", before or "")
    page.keyboard.press("+")
    box = view.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.62)
    expect(view.locator(".tip")).to_contain_text("坡度 26.6°")
    expect(view.locator(".tip")).to_contain_text("坡向南 180°")
    page.keyboard.press("Escape")
    expect(view).to_have_count(0)
    assert desk.errors == []
    assert desk.violations() == []


def test_the_first_map_loads_nothing_of_the_third_dimension(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    assert not [url for url in desk.requests if "stage-" in url]
    opened(page, space=block_code(0, 0))
    assert [url for url in desk.requests if "stage-" in url]
    assert all(url.startswith((stack.url, "data:", "blob:")) for url in desk.requests)


def test_a_scene_that_is_shut_leaves_nothing_on_the_graphics_card(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    view = opened(page, space=block_code(0, 0))
    page.evaluate(
        "() => { window.stage = document.querySelector('bt-app').shadowRoot"
        ".querySelector('bt-scene-view').stage; }"
    )
    assert page.evaluate("() => window.stage.memory().geometries") > 0
    view.get_by_role("button", name="关闭").click()
    expect(view).to_have_count(0)
    assert page.evaluate("() => window.stage.memory()") == {"geometries": 0, "textures": 0}


def test_without_webgl_the_list_still_works(desk: Desk, stack: Stack) -> None:
    desk.page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  const inScene = this.getRootNode().host?.localName === 'bt-scene-view';"
        "  return inScene && kind.startsWith('webgl') ? null : get.call(this, kind, ...more); };"
    )
    page = enter(desk, stack)
    page.evaluate(_OPEN, {"space": block_code(0, 0)})
    view = page.locator("bt-scene-view")
    expect(view.get_by_text("不支持 WebGL 2")).to_be_visible(timeout=30 * SECONDS)
    view.locator("button.row").first.click()
    expect(page.locator("bt-device-panel")).to_be_visible(timeout=10 * SECONDS)


def test_what_is_not_there_is_said(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    page.evaluate(_OPEN, {"space": "nowhere"})
    expect(page.locator("bt-scene-view .problem")).to_contain_text("nowhere", timeout=10 * SECONDS)
