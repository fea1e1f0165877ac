"""The page by keys and by a finger: where Tab leads, and what gets the focus back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, enter, raise_fire, row_of
from tests.browser.test_page_maps import upload
from tests.support.small_district import block_code

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PHONE = pytest.mark.parametrize("desk", [(390, 844)], indirect=True)
_FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    if (!at || at === document.body) return "";
    return at.localName + " " + (at.getAttribute("aria-label") || at.textContent.trim() || at.type);
}"""
HOLD_MS = 700


def focused(page: Page) -> str:
    """Tag and words of what has the focus; empty when nothing has."""
    found: str = page.evaluate(_FOCUSED)
    return found


def tab_to(page: Page, words: str, *, most: int = 60) -> None:
    """Press Tab until something with these words has the focus."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if words in seen[-1]:
            return
    pytest.fail(f"Tab does not lead to {words!r}, only to {seen}")


def comes_back(page: Page, words: str) -> None:
    """Wait until the focus is at something with these words."""
    has = f"words => ({_FOCUSED})().includes(words)"
    page.wait_for_function(has, arg=words, timeout=5 * SECONDS)


def test_keys_alone_lead_from_the_search_to_a_map_that_is_applied(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack, who="staff")
    upload(page)
    page.reload()
    expect(page.locator("bt-map-view[data-ready]")).to_be_attached(timeout=30 * SECONDS)

    tab_to(page, "查找")
    page.keyboard.type(block_code(0, 0))
    expect(page.get_by_role("option").first).to_contain_text(block_code(0, 0))
    page.keyboard.press("Enter")
    expect(page.locator("bt-place-card")).to_be_visible(timeout=10 * SECONDS)
    page.keyboard.press("Escape")
    expect(page.locator("bt-place-card")).to_have_count(0)
    comes_back(page, "查找")

    tab_to(page, "地图管理")
    page.keyboard.press("Enter")
    comes_back(page, "h2 ")
    tab_to(page, "#1 house.geojson")
    page.keyboard.press("Enter")
    proposal = page.locator("bt-map-proposal")
    expect(proposal.locator("[data-proposal='1']")).to_be_visible(timeout=10 * SECONDS)
    comes_back(page, "h2 ")
    if proposal.locator("label.accept input").count():
        tab_to(page, "checkbox")
        page.keyboard.press("Space")
    tab_to(page, "启用此地图")
    page.keyboard.press("Enter")
    comes_back(page, "取消")
    page.keyboard.press("Escape")
    comes_back(page, "启用此地图")
    page.keyboard.press("Enter")
    tab_to(page, "启用", most=3)
    page.keyboard.press("Enter")
    expect(proposal.locator(".state.applied")).to_be_visible(timeout=10 * SECONDS)
    comes_back(page, "h2 ")
    assert desk.errors == []


def test_the_focus_goes_back_to_what_opened_scene_card_and_desk(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    box = page.get_by_role("combobox", name="查找")
    box.fill(block_code(0, 0))
    expect(page.get_by_role("option").first).to_contain_text(block_code(0, 0))
    box.press("Enter")
    scene = page.locator("bt-place-card button.scene")
    scene.click(timeout=10 * SECONDS)
    expect(page.locator("bt-scene-view")).to_have_attribute("data-ready", "", timeout=30 * SECONDS)
    assert focused(page).startswith("h2 ")
    page.keyboard.press("Escape")
    expect(page.locator("bt-scene-view")).to_have_count(0)
    comes_back(page, "三维")
    page.keyboard.press("Escape")
    expect(page.locator("bt-place-card")).to_have_count(0)
    comes_back(page, "查找")

    page.get_by_role("button", name="地图管理").click()
    page.locator("bt-maps-desk button.shut").click(timeout=10 * SECONDS)
    comes_back(page, "地图管理")
    page.get_by_role("button", name="查看历史时刻").click()
    expect(page.locator("bt-past-bar")).to_be_visible(timeout=10 * SECONDS)
    page.keyboard.press("Escape")
    comes_back(page, "查看历史时刻")


def test_the_focus_stays_in_the_list_when_an_alarm_is_closed(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    row = row_of(page, raise_fire(stack)).first
    expect(row).to_be_visible(timeout=5 * SECONDS)
    ask = row.get_by_role("button", name="处置关闭")
    ask.click()
    page.keyboard.press("Escape")
    comes_back(page, "处置关闭")
    page.keyboard.press("Enter")
    dialog = page.locator("bt-close-dialog dialog")
    dialog.get_by_label("误报").check()
    dialog.get_by_role("button", name="关闭告警").click()
    expect(dialog).to_be_hidden(timeout=5 * SECONDS)
    page.wait_for_function(f"() => ({_FOCUSED})() !== ''", timeout=5 * SECONDS)


@PHONE
def test_a_finger_that_stays_asks_what_is_there_and_one_that_drags_does_not(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    bounds = page.locator("bt-map-view canvas").bounding_box()
    assert bounds is not None
    x, y = bounds["x"] + bounds["width"] / 2, bounds["y"] + bounds["height"] / 2
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": px, "y": py} for px, py in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    touch("touchStart", (x, y))
    card = page.locator("bt-place-card")
    expect(card.locator("[data-address]")).to_be_visible(timeout=10 * SECONDS)
    expect(card).to_contain_text("此处")
    touch("touchEnd")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)

    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x + 5 * step, y))
    page.wait_for_timeout(HOLD_MS)
    expect(card).to_have_count(0)
    touch("touchEnd")
    assert desk.errors == []
