"""Addresses, places, the past and the twin on the page, in Chromium over the whole runtime."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, device_of, enter, open_device, raise_fire, row_of
from tests.support.small_district import BLOCK, SOUTH, WEST, block_code

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

DISTRICT_TIME = timezone(timedelta(hours=8))
MIDDLE = f"{WEST + BLOCK / 2:.6f}, {SOUTH + BLOCK / 2:.6f}"
"""Longitude and latitude of a point in the first block."""


def centre(page: Page) -> tuple[float, float]:
    """Where the map looks."""
    lon, lat = page.locator("bt-map-view").evaluate(
        "view => { const at = view.chart.getCenter(); return [at.lng, at.lat]; }"
    )
    return lon, lat


def test_a_position_that_is_typed_is_flown_to_and_told_about(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    box = page.get_by_role("combobox", name="查找")
    box.fill(MIDDLE)
    expect(page.get_by_role("option").first).to_be_visible(timeout=5 * SECONDS)
    box.press("Enter")

    card = page.locator("bt-place-card")
    expect(card.locator("[data-address]")).to_be_visible(timeout=10 * SECONDS)
    expect(card).to_contain_text(block_code(0, 0))
    page.wait_for_function(
        "x => Math.abs(document.querySelector('bt-app').shadowRoot"
        ".querySelector('bt-map-view').chart.getCenter().lng - x) < 1e-4",
        arg=WEST + BLOCK / 2,
        timeout=10 * SECONDS,
    )
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    assert desk.errors == []
    assert desk.violations() == []


def test_enter_asks_what_lies_in_the_middle_of_the_map(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    page.locator("bt-map-view canvas").focus()
    page.keyboard.press("Enter")
    card = page.locator("bt-place-card")
    expect(card.locator("[data-address]")).to_be_visible(timeout=10 * SECONDS)
    lon, lat = centre(page)
    expect(card).to_contain_text(f"{lon:.6f}, {lat:.6f}")


def test_a_chosen_block_says_why_it_has_its_colour(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    row = row_of(page, name).first
    expect(row).to_be_visible(timeout=5 * SECONDS)
    place = stack.conn.execute(
        "SELECT b.code FROM device d JOIN space h ON h.space_id = d.space_id"
        " JOIN space b ON b.space_id = h.parent_id OR b.space_id = h.space_id"
        " WHERE d.name = %s AND b.kind = 'block'",
        (name,),
    ).fetchone()
    assert place is not None
    box = page.get_by_role("combobox", name="查找")
    box.fill(place[0])
    expect(page.get_by_role("option").first).to_contain_text(place[0])
    box.press("Enter")

    card = page.locator("bt-place-card")
    expect(card.locator("[data-reason]").first).to_contain_text("定温火警", timeout=10 * SECONDS)
    expect(card).to_contain_text(name)
    expect(card.locator("[data-count=fresh]")).to_be_visible()
    card.locator("[data-reason]").first.click()
    expect(page.locator("bt-alarm-card")).to_be_visible()


def test_a_chosen_block_is_shown_in_three_dimensions_and_left_again(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    box = page.get_by_role("combobox", name="查找")
    box.fill(block_code(0, 0))
    expect(page.get_by_role("option").first).to_contain_text(block_code(0, 0))
    box.press("Enter")
    page.locator("bt-place-card button.scene").click(timeout=10 * SECONDS)
    scene = page.locator("bt-scene-view")
    expect(scene.locator("canvas")).to_be_visible(timeout=20 * SECONDS)
    page.keyboard.press("Escape")
    expect(scene).to_have_count(0)
    expect(page.locator("bt-map-view canvas")).to_be_visible()
    assert desk.violations() == []


def test_the_past_is_marked_shows_no_alarm_of_now_and_ends_with_one_key(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    expect(row_of(page, name).first).to_be_visible(timeout=5 * SECONDS)

    page.get_by_role("button", name="查看历史时刻").click()
    banner = page.locator("bt-past-bar .what")
    expect(banner).to_have_attribute("data-past", re.compile(r"\d+"), timeout=10 * SECONDS)
    expect(banner).to_contain_text("历史画面，不是现在")
    expect(page.locator(".stage.past")).to_have_count(1)
    expect(page.get_by_text("当时没有设备处于告警")).to_be_visible()
    expect(page.locator("bt-map-view")).to_have_attribute("data-marked", "0")
    expect(page.get_by_role("button", name="确认", exact=True)).to_have_count(0)

    page.wait_for_timeout(2500)
    now = datetime.now(UTC).astimezone(DISTRICT_TIME)
    page.get_by_label("时刻（北京时间）").fill(f"{now:%Y-%m-%dT%H:%M:%S}")
    expect(page.locator("bt-past-list [data-device]")).to_contain_text(name, timeout=10 * SECONDS)
    expect(page.locator("bt-map-view")).not_to_have_attribute("data-marked", "0")

    page.keyboard.press("Escape")
    expect(page.locator("bt-past-bar")).to_have_count(0)
    expect(row_of(page, name).first).to_be_visible()
    assert desk.errors == []


def test_a_wish_is_set_and_stands_as_not_yet_so(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    device, _ = device_of(stack, "heat")
    panel = open_device(page, device)
    panel.get_by_role("button", name="修改期望值").click(timeout=10 * SECONDS)
    panel.locator("select[name=attribute]").select_option("interval_s")
    panel.locator("input[name=value]").fill("-5")
    panel.get_by_role("button", name="保存").click()
    expect(panel.locator("form [role=alert]")).to_contain_text("低于允许的最小值")

    panel.locator("input[name=value]").fill("30")
    panel.get_by_role("button", name="保存").click()
    row = panel.locator("tr[data-attribute=interval_s]")
    expect(row).to_have_attribute("data-waits", "true", timeout=5 * SECONDS)
    expect(row).to_contain_text("duty")
    expect(row).to_contain_text("未生效")


def test_a_wish_that_somebody_else_changed_meanwhile_is_not_overwritten(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    device, _ = device_of(stack, "heat")
    panel = open_device(page, device)
    panel.get_by_role("button", name="修改期望值").click(timeout=10 * SECONDS)
    panel.locator("select[name=attribute]").select_option("interval_s")
    other = desk.page.context.request.put(
        f"{stack.url}api/v1/devices/{device}/desired",
        data={"interval_s": 60},
        headers={"X-Blocktwin": "1"},
    )
    assert other.ok
    panel.locator("input[name=value]").fill("30")
    panel.get_by_role("button", name="保存").click()
    expect(panel.locator("form [role=alert]")).to_contain_text("已被他人更改")
    expect(panel.locator("tr[data-attribute=interval_s]")).to_contain_text("60")


def test_what_feeds_a_device_is_drawn_and_listed(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    device, _ = device_of(stack, "heat")
    panel = open_device(page, device)
    ask = panel.locator("button[data-trace=up][data-kind=gateway]")
    ask.click(timeout=10 * SECONDS)
    expect(panel.locator("[data-reached]")).to_have_attribute("data-reached", "1", timeout=10_000)
    expect(panel.locator("bt-trace-part li")).to_contain_text("网关")
    drawn = "view => view.chart.getSource('trace-edges') !== undefined"
    assert page.locator("bt-map-view").evaluate(drawn)

    ask.click()
    assert not page.locator("bt-map-view").evaluate(drawn)
    assert desk.errors == []
