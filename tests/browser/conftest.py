"""The whole runtime before a real Chromium: broker, TimescaleDB, worker, API and an agent."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from core.config import MqttConfig
from core.model import Channel, Reading
from dev import places
from dev.servers import PrivateMosquitto
from edge.agent import run_agent
from edge.config import AgentConfig
from edge.drivers import Sink
from tests.support import servers
from tests.support.small_district import small_district
from tests.support.waiting import wait_until
from twin import operators
from twin.api.page import STATIC
from twin.store import load_district

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
GATEWAY = "gw-a"
START_S = 30.0

# One rule of our own: the shipped ones also speak of silence, which here is the rule.
_RULES = """
[[rule]]
id = "test-heat"
name = { zh = "定温火警", en = "Fixed-temperature fire alarm" }
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
type = "high"
levels = [ { severity = "orange", raise = 57.0, clear = 50.0 } ]
latch = true
life_safety = true
advice = { zh = "核实现场", en = "Verify on site" }
source = "test"
"""

_WATCH = """
    window.violations = [];
    addEventListener('securitypolicyviolation', e => window.violations.push(e.blockedURI));
"""


class Outbox:
    """A driver whose readings come from the test's thread, one call at a time."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sink: Sink | None = None
        self.running = threading.Event()

    async def run(self, sink: Sink) -> None:
        """Lend the sink to ``publish`` until cancelled."""
        self._loop, self._sink = asyncio.get_running_loop(), sink
        self.running.set()
        await asyncio.Event().wait()

    def publish(self, device: str, quantity: str, value: float) -> None:
        """Hand one alarm-class reading, observed now, to the agent."""
        assert self._loop is not None
        assert self._sink is not None
        reading = Reading(device=device, quantity=quantity, observed_s=time.time(), value=value)
        handed = asyncio.run_coroutine_threadsafe(
            self._sink.put([reading], Channel.EVENT), self._loop
        )
        handed.result(timeout=10)


@dataclass(slots=True)
class Stack:
    """A running district: where its page is, who may enter, and how to make things happen in it.

    Attributes:
        url: the page's address, without a token.
        tokens: by operator name: ``duty`` may act, ``guest`` may look, ``staff`` may change maps.
    """

    url: str
    tokens: dict[str, str]
    conn: psycopg.Connection[Any]
    outbox: Outbox
    serve: servers.Program
    start_serve: Any = field(repr=False)

    def restart_serve(self) -> None:
        """Start the killed API again, at the same address."""
        self.serve = self.start_serve()
        wait_until(lambda: _ready(self.url), START_S, what="the API is ready")

    def alarms(self) -> list[tuple[str, ...]]:
        """State, who acknowledged and cause of every alarm, as text, by the database."""
        rows = self.conn.execute(
            "SELECT state, coalesce(acknowledged_by, ''), coalesce(close_cause, '') FROM alarm"
            " ORDER BY raised_at"
        )
        return [tuple(row) for row in rows]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; playwright downloads none.

    Not for the session: while playwright is open its event loop runs in this thread, and no
    asynchronous test could run beside it.
    """
    if not Path(CHROMIUM).exists():
        pytest.fail("no Chromium on this machine; run: make setup-tests")
    if not (STATIC / "index.html").is_file():
        pytest.fail("the page is not built; run: make setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def stack(
    dsn: str,
    conn: psycopg.Connection[Any],
    broker: PrivateMosquitto,
    run_blocktwin: servers.Runner,
    tmp_path: Path,
) -> Iterator[Stack]:
    """Worker, API and an agent at ``gw-a`` over a small district, ready."""
    load_district(conn, small_district())
    file = tmp_path / "operators.toml"
    roles = {
        "duty": operators.Role.OPERATOR,
        "guest": operators.Role.VIEWER,
        "staff": operators.Role.GIS,
    }
    tokens = {name: operators.add(file, name, role) for name, role in roles.items()}
    health, port = places.free_port(), places.free_port()
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "heat.toml").write_text(_RULES, encoding="utf-8")
    ingest = servers.settings(dsn, broker, ingest__http_port=health, alerts__rules_dir=str(rules))
    run_blocktwin("ingest", env=ingest)
    api = servers.settings(
        dsn, broker, api__port=port, api__operators_file=str(file), api__scan_every_s=0.5
    )

    def start_serve() -> servers.Program:
        return run_blocktwin("serve", env=api)

    serve = start_serve()
    wait_until(lambda: _ready(f"http://127.0.0.1:{health}/"), START_S, what="the worker is ready")
    wait_until(lambda: _ready(f"http://127.0.0.1:{port}/"), START_S, what="the API is ready")
    with _agent(broker, tmp_path / "spool") as outbox:
        yield Stack(
            url=f"http://127.0.0.1:{port}/",
            tokens=tokens,
            conn=conn,
            outbox=outbox,
            serve=serve,
            start_serve=start_serve,
        )


class _agent:  # noqa: N801 (used as a function)
    """The agent in a thread of its own: playwright's blocking calls own this one."""

    def __init__(self, broker: PrivateMosquitto, spool: Path) -> None:
        self._mqtt = MqttConfig(host=broker.host, port=broker.port, username=GATEWAY)
        self._password = broker.password(GATEWAY)
        self._config = AgentConfig(gateway_id=GATEWAY, spool_dir=str(spool), drain_s=2)
        self._outbox = Outbox()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="agent")

    def __enter__(self) -> Outbox:
        self._thread.start()
        assert self._outbox.running.wait(10), "the agent did not start"
        return self._outbox

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    async def _run(self) -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            agent = run_agent(
                self._config, self._mqtt, self._outbox, password=self._password, stop=stop
            )
            tasks.create_task(agent, name="agent")
            await asyncio.to_thread(self._stop.wait)
            stop.set()


@dataclass(slots=True)
class Desk:
    """A page and what it did that it should not have.

    Attributes:
        errors: console errors and uncaught exceptions.
        requests: every address asked for.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def violations(self) -> Sequence[str]:
        """What the content security policy stopped."""
        found: list[str] = self.page.evaluate("() => window.violations")
        return found


@pytest.fixture
def desk(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A page at a duty desk, 1280 by 720; parametrize with a size for another one."""
    width, height = getattr(request, "param", (1280, 720))
    phone = width < 760
    context = chromium.new_context(
        viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone
    )
    context.add_init_script(_WATCH)
    watched = Desk(page=context.new_page())

    # A bound method will not do: playwright marks its owner, which has slots.
    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            watched.errors.append(message.text)

    watched.page.on("console", hear)
    watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
    watched.page.on("request", lambda asked: watched.requests.append(asked.url))
    yield watched
    context.close()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
