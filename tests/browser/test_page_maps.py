"""The desk for block maps in a real Chromium: from a file to the map in force, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, enter
from tests.support.small_district import BLOCK, SOUTH, WEST, block_code, square

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

THIRD = BLOCK / 3
HOUSE = f"{block_code(0, 0)}-1"


def a_house_elsewhere_in_its_block() -> FilePayload:
    """A map of one building, drawn away from the devices that stood in it."""
    outline = square(WEST, SOUTH, WEST + THIRD / 2, SOUTH + THIRD / 2)
    feature: dict[str, Any] = {
        "type": "Feature",
        "geometry": outline,
        "properties": {"code": HOUSE, "kind": "building", "name": f"名 {HOUSE}"},
    }
    content = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    return {"name": "house.geojson", "mimeType": "application/geo+json", "buffer": content}


def upload(page: Page) -> Locator:
    """Open the desk, hand a file in as a part of the map in CGCS2000; returns the proposal."""
    page.get_by_role("button", name="地图管理").click()
    desk = page.locator("bt-maps-desk")
    desk.get_by_role("button", name="上传地图").click(timeout=10 * SECONDS)
    desk.locator("input[type=file]").set_input_files(a_house_elsewhere_in_its_block())
    propose = desk.get_by_role("button", name="提出", exact=True)
    expect(propose).to_be_disabled(timeout=15 * SECONDS)
    desk.locator("[data-frame='EPSG:4490']").click()
    propose.click()
    proposal = desk.locator("bt-map-proposal")
    expect(proposal.locator("[data-proposal='1']")).to_be_visible(timeout=20 * SECONDS)
    return proposal


def versions(stack: Stack) -> list[str]:
    """What the versions came from, the oldest first."""
    rows = stack.conn.execute("SELECT source FROM map_version ORDER BY version_id").fetchall()
    return [row[0] for row in rows]


def test_a_map_is_uploaded_looked_at_applied_and_taken_back(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack, who="staff")
    before = versions(stack)
    proposal = upload(page)
    expect(proposal.locator("[data-change=redrawn] b")).to_have_text("1")
    expect(proposal.locator("[data-move]").first).to_contain_text(HOUSE)
    drawn = "view => view.chart.getSource('proposal-cells') !== undefined"
    assert page.locator("bt-map-view").evaluate(drawn)
    proposal.locator("[data-side=before]").click()
    expect(proposal.locator("[data-side=before]")).to_have_attribute("aria-pressed", "true")

    apply = proposal.get_by_role("button", name="启用此地图")
    accept = proposal.locator("label.accept input")
    if accept.count():
        expect(apply).to_be_disabled()
        accept.check()
    apply.click()
    question = page.locator("bt-map-proposal bt-confirm-dialog dialog")
    expect(question).to_contain_text("改画 1")
    assert versions(stack) == before
    question.locator("button.yes").click()
    expect(proposal.locator(".state.applied")).to_be_visible(timeout=10 * SECONDS)
    assert versions(stack) == [*before, "proposal"]

    page.locator("bt-maps-desk button.back").click()
    page.locator("[data-tab=versions]").click()
    page.locator(f"[data-version='{len(before) + 1}'] button.rollback").click()
    again = page.locator("bt-maps-desk > bt-confirm-dialog dialog")
    expect(again).to_contain_text("改画 1", timeout=10 * SECONDS)
    again.locator("button.yes").click()
    expect(page.locator(f"[data-version='{len(before) + 2}']")).to_contain_text(
        "撤销第", timeout=10 * SECONDS
    )
    assert versions(stack) == [*before, "proposal", "rollback"]
    assert desk.errors == []
    assert desk.violations() == []


def test_a_file_that_is_no_map_is_refused_in_words(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack, who="staff")
    page.get_by_role("button", name="地图管理").click()
    page.get_by_role("button", name="上传地图").click(timeout=10 * SECONDS)
    page.locator("bt-map-upload input[type=file]").set_input_files(
        {"name": "holiday.gpkg", "mimeType": "application/octet-stream", "buffer": b"no map"}
    )
    expect(page.locator("bt-map-upload [role=alert]")).to_contain_text(
        "提交的内容不符合要求", timeout=15 * SECONDS
    )


def test_a_viewer_may_look_at_proposals_and_change_nothing(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack, who="guest")
    page.get_by_role("button", name="地图管理").click()
    desk_ = page.locator("bt-maps-desk")
    expect(desk_).to_contain_text("可查看，不能更改", timeout=10 * SECONDS)
    expect(desk_.get_by_role("button", name="上传地图")).to_have_count(0)
