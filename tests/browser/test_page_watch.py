"""The whole life of an alarm on the page, the alarm desk, and a warning while nothing is stored."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dev import places
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.browser.conftest import Desk, Stack
from tests.browser.desk import SECONDS, device_of, enter, raise_fire, row_of
from tests.support import servers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CHANGED = """
[[rule]]
id = "test-heat"
name = { zh = "定温火警", en = "Fixed-temperature fire alarm" }
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
type = "high"
levels = [ { severity = "orange", raise = 120.0, clear = 50.0 } ]
advice = { zh = "核实现场", en = "Verify on site" }
source = "test"
"""


@pytest.fixture
def notifier(
    stack: Stack, dsn: str, broker: PrivateMosquitto, run_blocktwin: servers.Runner
) -> servers.Program:
    """The notifier with its desk, which joins alarms to incidents."""
    port = places.free_port()
    env = servers.settings(dsn, broker, notify__http_port=port)
    return run_blocktwin("notify", env=env)


def test_an_alarm_is_assigned_and_shelved_from_its_card_and_brought_back(
    desk: Desk, stack: Stack
) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    row = row_of(page, name)
    expect(row).to_be_visible(timeout=5 * SECONDS)
    row.locator("button.what").click()
    acts = page.locator("bt-alarm-acts")
    acts.locator("[data-deed=assign]").click(timeout=10 * SECONDS)
    acts.get_by_label("指派给").fill("桂园微型站")
    acts.get_by_role("button", name="执行").click()
    expect(acts).to_contain_text("负责人：桂园微型站", timeout=5 * SECONDS)

    acts.locator("[data-deed=shelve]").click()
    acts.get_by_role("button", name="执行").click()
    expect(acts.get_by_role("alert")).to_have_text("请填写：原因（必填）")
    acts.get_by_label("原因（必填）").fill("更换探测器")
    acts.get_by_role("button", name="执行").click()
    expect(acts.locator("[data-hidden=shelved]")).to_contain_text("更换探测器", timeout=5 * SECONDS)
    expect(page.get_by_text("没有未结告警")).to_be_visible()
    found = stack.conn.execute("SELECT hidden, hidden_by, assigned_to FROM alarm").fetchall()
    assert found == [("shelved", "duty", "桂园微型站")]

    page.locator("[data-view=hidden]").click()
    expect(page.locator("bt-alarm-row")).to_contain_text(name)
    acts.locator("[data-deed=unshelve]").click()
    expect(acts.locator("[data-hidden]")).to_have_count(0, timeout=5 * SECONDS)
    page.locator("[data-view=open]").click()
    expect(row_of(page, name)).to_be_visible()
    assert desk.errors == []


def test_alarms_of_one_place_are_one_incident_that_one_press_takes_up(
    desk: Desk, stack: Stack, notifier: servers.Program
) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    expect(row_of(page, name)).to_be_visible(timeout=5 * SECONDS)
    page.get_by_role("button", name="告警研判").click()
    incident = page.locator("bt-incident-list [data-incident]")
    expect(incident).to_have_count(1, timeout=20 * SECONDS)
    expect(incident).to_contain_text("1 条告警，1 条待确认")
    incident.click()
    inside = page.locator("bt-incident-list [data-inside]")
    expect(inside.locator("bt-alarm-row")).to_contain_text(name)
    inside.get_by_role("button", name="全部确认").click()
    expect(incident).to_contain_text("0 条待确认", timeout=10 * SECONDS)
    assert [alarm[:2] for alarm in stack.alarms()] == [("acknowledged", "duty")]
    assert desk.errors == []


def test_a_rule_is_tried_on_history_beside_the_one_in_force(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    expect(row_of(page, name)).to_be_visible(timeout=5 * SECONDS)
    page.get_by_role("button", name="告警研判").click()
    page.locator("bt-watch-desk [data-tab=rules]").click()
    rules = page.locator("bt-rules-list")
    rules.locator("[data-rule=test-heat]").click(timeout=10 * SECONDS)
    rules.locator("[data-span=day]").click()
    rules.get_by_role("button", name="试算", exact=True).click()
    expect(rules.locator("[data-trial='trial.alarms']")).to_have_text("1", timeout=30 * SECONDS)
    device, _ = device_of(stack, "heat")
    expect(rules.locator(f"[data-device='{device}']")).to_contain_text(name)
    drawn = "view => view.chart.getSource('trial-devices') !== undefined"
    assert page.locator("bt-map-view").evaluate(drawn)

    rules.locator("textarea").fill(CHANGED)
    rules.get_by_role("button", name="试算", exact=True).click()
    expect(rules).to_contain_text("这段时间内不会告警。", timeout=30 * SECONDS)
    rules.locator("textarea").fill("[[rule]]\nid = 1")
    rules.get_by_role("button", name="试算", exact=True).click()
    expect(rules.get_by_role("alert")).to_contain_text("id", timeout=30 * SECONDS)


def test_the_report_counts_what_there_was(desk: Desk, stack: Stack) -> None:
    page = enter(desk, stack)
    name = raise_fire(stack)
    expect(row_of(page, name)).to_be_visible(timeout=5 * SECONDS)
    page.get_by_role("button", name="告警研判").click()
    page.locator("bt-watch-desk [data-tab=report]").click()
    report = page.locator("bt-alarm-report")
    expect(report.locator("[data-report=alarms]")).to_have_text("告警 1 条", timeout=10 * SECONDS)
    expect(report.locator("[data-target]").first).to_be_visible()
    page.locator("bt-watch-desk [data-tab=rosters]").click()
    expect(page.locator("bt-roster-list")).to_contain_text("还没有值班表", timeout=10 * SECONDS)
    page.locator("bt-watch-desk .shut").click()
    expect(row_of(page, name)).to_be_visible()
    assert desk.errors == []


def test_a_fire_is_told_on_the_page_while_the_database_is_stopped(
    desk: Desk, stack: Stack, postgres: PrivatePostgres
) -> None:
    page = enter(desk, stack)
    device, _ = device_of(stack, "heat")
    postgres.stop()
    try:
        raise_fire_at(stack, device)
        early = page.locator("bt-call-banner [data-provisional]")
        expect(early).to_contain_text(device, timeout=20 * SECONDS)
        expect(early).to_contain_text("尚未存下")
    finally:
        postgres.start()
    expect(page.locator("bt-call-banner [data-provisional]")).to_have_count(0, timeout=40 * SECONDS)
    expect(page.locator("bt-alarm-row")).to_have_count(1, timeout=20 * SECONDS)


def raise_fire_at(stack: Stack, device: str) -> None:
    """Publish a temperature that no room has."""
    stack.outbox.publish(device, "temperature", 96.0)
