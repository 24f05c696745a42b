"""The control room's program: hears every node, keeps what they say, shows it, and carries the operators' answers.

Threads: ``ingest`` (broker to disk), ``web`` (an event loop with uvicorn), and the caller's own, which once a second
judges who is blind or lost and now and then deletes what is old. The page answers before the broker does, and before
the MQTT library is even loaded, because an operator must be told that nothing can be heard.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from sqlalchemy.exc import DBAPIError

from edge import __version__
from edge.clock import Clock, SystemClock
from edge.delivery.wire import iso_utc
from edge.errors import ConfigError
from edge.log import get_logger
from edge.station.archive import Archive
from edge.station.database import backup
from edge.station.door import Door
from edge.station.hearing import Hearing
from edge.station.hub import Hub
from edge.station.settings import StationConfig, base_map, token
from edge.station.store import Store
from edge.station.web import Site, application
from edge.ulid import ulid

if TYPE_CHECKING:
    from edge.station.ingest import Ingest

__all__ = ["Served", "backup", "run"]

_JUDGE_EVERY_S = 1.0
_EXPIRE_EVERY_S = 3600.0
_DAY_S = 86_400.0
_BACKLOG = 128
_MAX_HEAD_BYTES = 16_384
_READERS = 8  # fewer than the connections that SQLAlchemy keeps, so that none waits for one
_GOODBYE_S = 2

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """Where the page is."""

    url: str
    port: int


def run(
    config: StationConfig,
    stopping: threading.Event,
    *,
    clock: Clock | None = None,
    on_ready: Callable[[Served], None] = lambda _served: None,
) -> None:
    """Run the station until ``stopping`` is set.

    Args:
        config: checked settings (``edge.station.settings.load``).
        stopping: set by somebody else to end it.
        clock: time; default: the machine's.
        on_ready: told once the page answers; nodes are heard from when it returns.

    Raises:
        ConfigError: the database, the token or the address cannot be used; names the setting.
    """
    time = clock or SystemClock()
    secret = token(config.web)
    map_file = base_map(config.web)
    listener = _listener(config)
    try:
        store = Store(config.store.url, snapshots_max_mb=config.store.snapshots_max_mb)
    except ConfigError:
        listener.close()
        raise
    presence = config.presence
    archive = Archive(
        store.engine,
        silent_after_s=presence.silent_after_s,
        forget_alert_after_s=presence.forget_alert_after_s,
    )
    hearing = Hearing(f"not yet connected to broker {config.delivery.host}:{config.delivery.port}")
    run_id = ulid(time.utc_s(), os.urandom(16))

    def state() -> dict[str, Any]:
        return {
            "time": iso_utc(time.utc_s()),
            "run": run_id,
            "version": __version__,
            "broker": "connected" if hearing.fault is None else "lost",
            "fault": hearing.fault,
            "listening_since_s": hearing.listening_since_s,
            "committed": hearing.committed,
            "refused": hearing.refused,
            "base_map": map_file is not None,
        }

    hub = Hub(archive, state, time.utc_s)
    site = Site(store, archive, hub, hearing, clock=time, token=secret, map_file=map_file)
    web = _Web(application(site, token=secret), hub, listener)
    ingest: Ingest | None = None
    try:
        web.start()
        port = listener.getsockname()[1]
        host = f"[{config.web.host}]" if ":" in config.web.host else config.web.host
        served = Served(f"http://{host}:{port}/", port)
        _log.info("station: serves", url=served.url, database=store.engine.url.render_as_string())
        on_ready(served)
        ingest = _listen(config, store, hearing, hub, time)
        _tend(store, hub, hearing, config, stopping, time)
    finally:
        if ingest is not None:
            ingest.stop()
        web.stop()
        store.close()
    _log.info("station: stopped")


def _listen(config: StationConfig, store: Store, hearing: Hearing, hub: Hub, clock: Clock) -> "Ingest":
    """Start to hear the nodes."""
    from edge.station.ingest import Ingest  # noqa: PLC0415  # brings the MQTT library: the page must not wait for it

    delivery = config.delivery
    ingest = Ingest(
        delivery.as_delivery(), store, hearing, hub.note,
        name=config.name, clock=clock, with_receipts=delivery.receipts,
    )  # fmt: skip
    ingest.start()
    return ingest


def _tend(
    store: Store, hub: Hub, hearing: Hearing, config: StationConfig, stopping: threading.Event, clock: Clock
) -> None:
    """Judge nodes and delete what is old, until told to stop."""
    expire_s = clock.monotonic_s()
    while not clock.wait(stopping, _JUDGE_EVERY_S):
        now_utc_s, since_s = clock.utc_s(), hearing.listening_since_s
        try:
            if since_s is not None:  # deaf ourselves, we cannot say who is silent
                silent_after_s = config.presence.silent_after_s
                hub.note(store.judge(utc_s=now_utc_s, listening_since_s=since_s, silent_after_s=silent_after_s))
            if clock.monotonic_s() >= expire_s:
                expire_s = clock.monotonic_s() + _EXPIRE_EVERY_S
                deleted = store.expire(before_utc_s=now_utc_s - config.store.keep_days * _DAY_S)
                if deleted:
                    _log.info("station: deleted old alerts", deleted=deleted, keep_days=config.store.keep_days)
        except DBAPIError as error:
            _log.warning("station: the database does not answer", error=str(error.orig).splitlines()[0])


class _Web:
    """uvicorn in a thread of its own: signals belong to the caller."""

    def __init__(self, app: Any, hub: Hub, listener: socket.socket) -> None:
        self._listener = listener
        self._hub = hub
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Door,
                h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=_GOODBYE_S,
                timeout_keep_alive=30,
            ),
            hub,
        )
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="web", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_GOODBYE_S + 2.0)
        self._listener.close()


class _Server(uvicorn.Server):
    """A server that runs the hub beside itself, in the same event loop."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_READERS, thread_name_prefix="read"))
        beside = asyncio.create_task(self._hub.run())
        try:
            await super().serve(sockets)
        finally:
            beside.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.close()
        await super().shutdown(sockets)


def _listener(config: StationConfig) -> socket.socket:
    web = config.web
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((web.host, web.port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"web.host {web.host}, web.port {web.port}: {error.strerror or error}") from error
    listener.listen(_BACKLOG)
    return listener
