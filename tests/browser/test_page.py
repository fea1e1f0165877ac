"""The page in a real Chromium over the whole runtime: from a reading to a click to a row."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, device_of, enter, raise_fire, row_of
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PHONE = pytest.mark.parametrize("desk", [(390, 844)], indirect=True)


def test_a_reading_becomes_an_alarm_that_a_click_acknowledges(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    expect(page.get_by_text("没有未结告警")).to_be_visible()

    row = row_of(page, raise_fire(stack))
    expect(row).to_be_visible(timeout=5 * SECONDS)
    expect(page.locator("bt-map-view")).not_to_have_attribute("data-marked", "0")
    assert ("unacknowledged", "", "") in stack.alarms()

    alarm = row.get_attribute("data-alarm")
    row.get_by_role("button", name="确认", exact=True).click()
    acknowledged = page.locator(f'article[data-alarm="{alarm}"][data-state="acknowledged"]')
    expect(acknowledged).to_contain_text("duty", timeout=5 * SECONDS)
    found = stack.conn.execute(
        "SELECT state, acknowledged_by FROM alarm WHERE alarm_id = %s", (alarm,)
    ).fetchone()
    assert found == ("acknowledged", "duty")
    assert desk.errors == []
    assert desk.violations() == []


def test_a_severe_alarm_is_shown_over_the_map_and_announced(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    call = page.locator("bt-call-banner article", has_text=name).first
    expect(call).to_be_visible(timeout=5 * SECONDS)
    expect(page.locator("bt-call-banner [aria-live=assertive]")).to_contain_text(name)
    expect(page).to_have_title(re.compile(r"^\(\d+\)"))

    call.get_by_role("button", name="查看").click()
    expect(page.locator("bt-alarm-card")).to_contain_text("核实现场")


def test_an_alarm_is_closed_with_cause_and_note(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    row = row_of(page, raise_fire(stack)).first
    expect(row).to_be_visible(timeout=5 * SECONDS)
    alarm = row.get_attribute("data-alarm")
    row.get_by_role("button", name="处置关闭").click()
    dialog = page.locator("bt-close-dialog dialog")

    dialog.get_by_role("button", name="关闭告警").click()
    expect(dialog.get_by_role("alert")).to_have_text("请选择结论。")

    dialog.get_by_label("误报").check()
    dialog.get_by_label("说明（可选）").fill("厨房蒸汽")
    dialog.get_by_role("button", name="关闭告警").click()
    expect(dialog).to_be_hidden(timeout=5 * SECONDS)
    found = stack.conn.execute(
        "SELECT a.state, a.close_cause, e.actor, e.note FROM alarm a JOIN alarm_event e"
        " ON e.event_id = a.last_event_id WHERE a.alarm_id = %s",
        (alarm,),
    ).fetchone()
    assert found == ("closed", "false", "duty", "厨房蒸汽")


def test_the_device_panel_shows_place_values_and_a_chart(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    device, name = device_of(stack, "heat")
    for value in (22.0, 23.0, 96.0):
        stack.outbox.publish(device, "temperature", value)
    row_of(page, name).first.locator("button.what").click(timeout=10 * SECONDS)
    panel = page.locator("bt-device-panel")
    expect(panel).to_contain_text(device)
    expect(panel.locator("[data-quantity=temperature]")).to_contain_text("96 °C")
    expect(panel.locator(".plot canvas")).to_be_visible()
    expect(panel.locator(".plot")).to_have_attribute("data-points", "3", timeout=10 * SECONDS)
    expect(panel.locator("bt-reading-chart li").first).to_have_text("单个读数")
    expect(panel.locator("bt-reading-chart ul")).to_contain_text("高于")

    stack.outbox.publish(device, "temperature", 101.0)
    expect(panel.locator("[data-quantity=temperature]")).to_contain_text(
        "101 °C", timeout=10 * SECONDS
    )
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_the_chart_says_how_fine_it_is_and_is_read_off_by_keys(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    device, name = device_of(stack, "heat")
    for value in (22.0, 24.0, 96.0):
        stack.outbox.publish(device, "temperature", value)
    row_of(page, name).first.locator("button.what").click(timeout=10 * SECONDS)
    chart = page.locator("bt-reading-chart")
    plot = chart.locator(".plot")
    expect(plot).to_have_attribute("data-points", "3", timeout=10 * SECONDS)
    plot.press("ArrowLeft")
    expect(chart.locator(".readout")).to_contain_text("96 °C")
    plot.press("ArrowLeft")
    expect(chart.locator(".readout")).to_contain_text("24 °C")

    chart.get_by_role("button", name="7 天").click()
    expect(plot).to_have_attribute("data-resolution", "30m", timeout=10 * SECONDS)
    expect(chart.locator("li").first).to_have_text("每点 30 分钟")
    expect(chart.locator(".band")).to_be_visible()
    plot.press("ArrowLeft")
    expect(chart.locator(".readout")).to_contain_text("22 至 96")
    assert desk.errors == []


def test_the_filter_hides_other_fields_and_says_so(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    expect(row_of(page, name).first).to_be_visible(timeout=5 * SECONDS)
    page.locator("bt-alarm-filter [data-field=water]").click()
    expect(row_of(page, name)).to_have_count(0)
    expect(page.get_by_text(re.compile("被筛选隐藏"))).to_be_visible()
    page.get_by_role("button", name="清除筛选").click()
    expect(row_of(page, name).first).to_be_visible()


def test_the_language_is_chinese_first_and_the_choice_is_remembered(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", name="告警")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Alarms")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Alarms")).to_be_visible(timeout=15 * SECONDS)
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_lost_server_is_said_and_what_was_missed_is_caught_up(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    stack.serve.kill()
    banner = page.locator("bt-link-banner [data-banner]")
    expect(banner).to_contain_text("连接已中断", timeout=15 * SECONDS)
    name = raise_fire(stack)
    wait_until(stack.alarms, 10, what="the alarm is committed")
    expect(row_of(page, name)).to_have_count(0)

    stack.restart_serve()
    # Sessions live in the server's memory, so the desk must sign in again.
    expect(page.locator("bt-login-form")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_label("访问令牌").fill(stack.tokens["duty"])
    page.get_by_role("button", name="登录").click()
    expect(row_of(page, name).first).to_be_visible(timeout=15 * SECONDS)
    expect(banner).to_have_count(0)


def test_a_token_is_needed_and_leaves_the_address(desk: Desk, stack: Stack) -> None:
    page = desk.page
    page.goto(stack.url)
    page.get_by_label("访问令牌").fill("wrong")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_contain_text("令牌无效")

    enter(desk, stack)
    assert "token" not in page.evaluate("() => location.href")
    page.reload()
    expect(page.locator("bt-alarm-list")).to_be_visible(timeout=15 * SECONDS)


def test_a_viewer_sees_alarms_and_cannot_act(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack, who="guest")
    row = row_of(page, raise_fire(stack)).first
    expect(row).to_be_visible(timeout=5 * SECONDS)
    expect(row.get_by_role("button", name="确认", exact=True)).to_have_count(0)
    expect(page.get_by_text("只读")).to_be_visible()


def test_everything_comes_from_one_origin_under_a_strict_policy(desk: Desk, stack: Stack) -> None:
    answer = desk.page.goto(stack.url)
    assert answer is not None
    policy = answer.header_value("content-security-policy") or ""
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert policy.count("'unsafe-inline'") == policy.count("style-src 'self' 'unsafe-inline'")

    page = enter(desk, stack)
    raise_fire(stack)
    page.locator("bt-alarm-row button.what").first.click(timeout=10 * SECONDS)
    expect(page.locator(".plot canvas")).to_be_visible()
    own = (stack.url, f"blob:{stack.url}", "data:")
    assert [url for url in desk.requests if not url.startswith(own)] == []
    assert desk.violations() == []
    # The one error is the answer 401 to the first visit without a token.
    assert [error for error in desk.errors if "401" not in error] == []


@PHONE
def test_on_a_phone_the_map_is_above_the_list_and_nothing_sticks_out(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    row = row_of(page, raise_fire(stack)).first
    expect(row).to_be_visible(timeout=5 * SECONDS)
    chart, rows = page.locator("bt-map-view").bounding_box(), row.bounding_box()
    assert chart is not None
    assert rows is not None
    assert chart["y"] + chart["height"] <= rows["y"]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390

    row.locator("button.what").click()
    panel = page.locator("bt-device-panel").bounding_box()
    assert panel is not None
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= 390
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert desk.errors == []


def test_the_list_is_reached_and_worked_with_the_keyboard(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    expect(row_of(page, name).first).to_be_visible(timeout=5 * SECONDS)
    page.locator("button.skip").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("bt-device-panel")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_until(
        lambda: any(state == "acknowledged" for state, *_ in stack.alarms()),
        5,
        what="the alarm is acknowledged by the keyboard",
    )


def test_a_device_is_found_by_name(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    device, _ = device_of(stack, "waterlogging")
    box = page.get_by_role("combobox")
    box.fill(device)
    expect(page.get_by_role("option").first).to_contain_text(device)
    box.press("Enter")
    expect(page.locator("bt-device-panel")).to_contain_text(device, timeout=5 * SECONDS)
