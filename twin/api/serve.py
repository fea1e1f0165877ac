"""Run the API: the HTTP server and the live state side by side, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

import uvicorn

from core.config import DatabaseConfig, MqttConfig
from core.db import migrate, pool
from twin.api.app import create_app
from twin.api.provisional import Ear
from twin.api.runtime import Runtime
from twin.config import ApiConfig
from twin.kinds import BUILT_IN, Kinds
from twin.sensorthings.config import SensorThingsConfig
from twin.sensorthings.gateway import Gateway

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 20
BACKLOG = 512


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling.

    After a stop it would raise the signal again, and so kill the process before the state and the
    pool are closed.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(
    cfg: ApiConfig,
    database: DatabaseConfig,
    kinds: Kinds = BUILT_IN,
    *,
    create: tuple[SensorThingsConfig, MqttConfig] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; streams end at once, other requests within ``shutdown_s``.

    ``create`` says whether and how SensorThings clients may create; its broker is also where
    provisional alarms are heard.

    Raises:
        DatabaseAway: there is no database at the start.
        SchemaTooOld: it lacks migrations.
    """
    await asyncio.to_thread(_require_current, database)
    async with pool.open_pool(database, "blocktwin serve") as open_pool:
        app = create_app(cfg, open_pool, database, kinds=kinds)
        runtime: Runtime = app.state.runtime
        server = _Server(
            uvicorn.Config(
                app,
                host=cfg.host,
                port=cfg.port,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=cfg.shutdown_s,
            )
        )
        gateway = Gateway(*create) if create is not None and create[0].create else None
        app.state.sensorthings = gateway
        async with asyncio.TaskGroup() as tasks:
            if gateway is not None:
                tasks.create_task(gateway.run(), name="sensorthings gateway")
            live = tasks.create_task(runtime.live.run(), name="twin live")
            ear = None
            if create is not None:
                hearing = Ear(create[1], runtime.live.provisional, runtime.hub).run()
                ear = tasks.create_task(hearing, name="provisional alarms")
            _stop_on_signal(server, runtime)
            serving = tasks.create_task(_serve(server, runtime), name="http server")
            await serving
            live.cancel()
            if ear is not None:
                ear.cancel()
            if gateway is not None:
                gateway.finish()
    log.info("stopped")


async def _serve(server: uvicorn.Server, runtime: Runtime) -> None:
    """Serve; when the live state has failed the server is told to stop by being cancelled."""
    try:
        await server.serve()
    finally:
        runtime.hub.close()


def _stop_on_signal(server: uvicorn.Server, runtime: Runtime) -> None:
    def stop() -> None:
        log.info("stopping")
        runtime.hub.close()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _require_current(database: DatabaseConfig) -> None:
    with pool.connect(database, autocommit=True, application_name="blocktwin serve") as conn:
        migrate.require_current(conn)
