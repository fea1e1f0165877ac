"""What the browser tests do at a desk: enter, raise an alarm, find its row."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, Stack

SECONDS = 1000
"""Playwright counts in milliseconds."""


def device_of(stack: Stack, kind: str) -> tuple[str, str]:
    """Id and name of a device of a kind behind the gateway that the agent plays."""
    row = stack.conn.execute(
        "SELECT device_id, name FROM device WHERE kind = %s AND gateway_id = 'gw-a'"
        " ORDER BY device_id LIMIT 1",
        (kind,),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def enter(desk: Desk, stack: Stack, who: str = "duty") -> Page:
    """Open the page with a token in the address, and wait for the map."""
    desk.page.goto(f"{stack.url}#token={stack.tokens[who]}")
    expect(desk.page.locator("bt-map-view[data-ready]")).to_be_attached(timeout=30 * SECONDS)
    expect(desk.page.locator("[data-link=live]")).to_be_visible(timeout=10 * SECONDS)
    return desk.page


def raise_fire(stack: Stack) -> str:
    """Publish a temperature that no room has; returns the device's name."""
    device, name = device_of(stack, "heat")
    stack.outbox.publish(device, "temperature", 96.0)
    return name


def row_of(page: Page, name: str, state: str = "unacknowledged") -> Locator:
    """The open alarm of a device, in a state."""
    return page.locator(f'bt-alarm-row article[data-state="{state}"]', has_text=name)


def open_device(page: Page, device: str) -> Locator:
    """Find a device by its id and return its panel."""
    box = page.get_by_role("combobox", name="查找")
    box.fill(device)
    expect(page.get_by_role("option").first).to_contain_text(device)
    box.press("Enter")
    panel = page.locator("bt-device-panel")
    expect(panel).to_contain_text(device, timeout=10 * SECONDS)
    return panel
