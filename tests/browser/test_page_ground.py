"""Another map or a moved device reaches every open page, which keeps its view and its choice."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, device_of, enter, open_device
from tests.support.small_district import BLOCK, SOUTH, WEST, block_code, small_district, square
from twin.store import load_district

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

_DRAWN = """async (view, [source, key, name]) => {
    const {features} = await view.chart.getSource(source).getData();
    return features.find(one => one.properties[key] === name)?.geometry.coordinates ?? null;
}"""
_VIEW = """view => { const at = view.chart.getCenter();
    return [at.lng, at.lat, view.chart.getZoom()].map(one => one.toFixed(5)); }"""


def drawn(page: Page, source: str, key: str, name: str) -> Any:
    """The coordinates that the map draws for a feature, None when it draws none."""
    return page.locator("bt-map-view").evaluate(_DRAWN, [source, key, name])


def reaches(page: Page, source: str, key: str, name: str, wanted: Any) -> None:
    """Wait until the map draws a feature so."""
    page.wait_for_function(
        """async ([source, key, name, wanted]) => {
            const view = document.querySelector("bt-app").shadowRoot.querySelector("bt-map-view");
            const {features} = await view.chart.getSource(source).getData();
            const found = features.find(one => one.properties[key] === name);
            return JSON.stringify(found?.geometry.coordinates ?? null) === JSON.stringify(wanted);
        }""",
        arg=[source, key, name, wanted],
        timeout=15 * SECONDS,
    )


def looks(page: Page) -> list[str]:
    """Where the map looks and from how near, once it stands still."""
    view = page.locator("bt-map-view")
    page.wait_for_function(
        "() => !document.querySelector('bt-app').shadowRoot"
        ".querySelector('bt-map-view').chart.isMoving()",
        timeout=10 * SECONDS,
    )
    seen: list[str] = view.evaluate(_VIEW)
    return seen


def test_a_redrawn_block_and_a_moved_device_are_drawn_without_a_reload(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    device, name = device_of(stack, "heat")
    panel = open_device(page, device)
    code = block_code(0, 0)
    outline = square(WEST, SOUTH, WEST + BLOCK * 0.9, SOUTH + BLOCK)
    assert drawn(page, "blocks", "code", code) != outline["coordinates"]
    before = looks(page)
    asked = len(desk.requests)

    district = small_district()
    other = dataclasses.replace(
        district,
        spaces=tuple(
            dataclasses.replace(space, outline=outline) if space.code == code else space
            for space in district.spaces
        ),
        devices=tuple(
            dataclasses.replace(one, lon=one.lon + 1e-5) if one.device_id == device else one
            for one in district.devices
        ),
    )
    moved = next(one for one in other.devices if one.device_id == device)
    load_district(stack.conn, other)

    reaches(page, "blocks", "code", code, outline["coordinates"])
    reaches(page, "devices", "device_id", device, [moved.lon, moved.lat])
    assert looks(page) == before
    expect(panel).to_contain_text(name)
    expect(panel).to_contain_text(f"{moved.lon:.6f}", timeout=10 * SECONDS)
    documents = [url for url in desk.requests[asked:] if url.endswith("/")]
    assert documents == []
    assert desk.errors == []


def test_the_same_ground_is_not_sent_again(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    # Buildings are asked for when the map is near enough, and then for the first time.
    answers: list[tuple[str, int]] = []
    page.on("response", lambda got: answers.append((got.url, got.status)))
    with page.expect_response(lambda got: "/devices" in got.url, timeout=15 * SECONDS):
        stack.conn.execute("SELECT pg_notify('blocktwin_registry', '')")
    page.wait_for_timeout(500)
    ground = [status for url, status in answers if url.endswith(("/spaces?kind=block", "/devices"))]
    assert ground
    assert set(ground) == {304}
