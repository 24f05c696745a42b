"""Tells every open page what changed, at once and in order.

A page that connects gets the whole live state first and then every change, so whatever it missed does not matter: it is
right again with its first message. Changes are gathered for a moment and read from the database once for all pages;
that keeps three thousand revisions a second from becoming three thousand messages to each browser. The state of the
station itself goes out every second, which is also how a page notices that it is cut off.

Everything here runs in the event loop, except ``note``, which any thread may call.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from edge.station.archive import Archive
from edge.station.changes import Changes

BEAT_S = 1.0
MAX_PAGES = 100
_GATHER_S = 0.05
_QUEUE_MESSAGES = 64
_MAX_DIRTY = 2000  # beyond this a fresh snapshot is less work than the changes


class Hub:
    """The open pages of one station."""

    def __init__(self, archive: Archive, state: Callable[[], dict[str, Any]], now_utc_s: Callable[[], float]) -> None:
        """Prepare; ``state`` is said with every beat."""
        self._archive = archive
        self.state = state
        self._now_utc_s = now_utc_s
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._dirty = Changes()
        self._something = asyncio.Event()
        self._reading = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    def note(self, changes: Changes) -> None:
        """Remember what changed; safe from any thread, and never blocks."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._gather, changes)

    async def run(self) -> None:
        """Send changes and beats until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat())
            tasks.create_task(self._flush())

    def close(self) -> None:
        """End every stream, so that the server need not wait for them."""
        self._closed = True
        for page in list(self._pages):
            self._drop(page)

    async def stream(self) -> AsyncIterator[str]:
        """Give one page its messages, as server-sent events; the first is the whole live state."""
        page: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE_MESSAGES)
        try:
            async with self._reading:  # what is read from now on is younger than this snapshot, and comes after it
                self._pages.add(page)
                first = await asyncio.to_thread(self._live)
            yield "retry: 500\n\n"
            yield first
            while not self._closed:
                message = await page.get()
                if message is None:
                    return
                yield message
        finally:
            self._pages.discard(page)

    def live(self) -> dict[str, Any]:
        """Give the whole live state; reads the database."""
        now_utc_s = self._now_utc_s()
        state = self.state()
        alerts, count = self._archive.live_alerts(now_utc_s=now_utc_s)
        return {
            "station": state,
            "alerts": alerts,
            "alerts_in_all": count,
            "troubles": self._archive.troubles(),
            "nodes": self._archive.nodes(now_utc_s=now_utc_s, since_utc_s=state["listening_since_s"] or now_utc_s),
        }

    def _live(self) -> str:
        return _message("live", self.live())

    def _gather(self, changes: Changes) -> None:
        if not self._pages or not (changes.alerts or changes.nodes or changes.troubles):
            return
        self._dirty.alerts |= changes.alerts
        self._dirty.nodes |= changes.nodes
        self._dirty.troubles |= changes.troubles
        self._something.set()

    async def _beat(self) -> None:
        while True:
            self._say(_message("station", self.state()))
            await asyncio.sleep(BEAT_S)

    async def _flush(self) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(_GATHER_S)
            self._something.clear()
            dirty, self._dirty = self._dirty, Changes()
            async with self._reading:
                for message in await asyncio.to_thread(self._read, dirty):
                    self._say(message)

    def _read(self, dirty: Changes) -> list[str]:
        try:
            if len(dirty.alerts) > _MAX_DIRTY:
                return [self._live()]
            state = self.state()
            changed = {
                "alerts": self._archive.alerts(dirty.alerts),
                "troubles": self._archive.troubles_by_id(dirty.troubles) if dirty.troubles else [],
                "nodes": self._archive.nodes(
                    now_utc_s=self._now_utc_s(),
                    since_utc_s=state["listening_since_s"] or self._now_utc_s(),
                    only=dirty.nodes,
                )
                if dirty.nodes
                else [],
            }
            return [_message("changes", changed)]
        except Exception as error:  # noqa: BLE001  # a database that is away for a moment must not end the stream
            return [_message("fault", {"why": type(error).__name__})]

    def _say(self, message: str) -> None:
        for page in list(self._pages):
            try:
                page.put_nowait(message)
            except asyncio.QueueFull:  # it reads too slowly: it comes back and begins with a fresh state
                self._drop(page)

    def _drop(self, page: asyncio.Queue[str | None]) -> None:
        self._pages.discard(page)
        while not page.empty():
            page.get_nowait()
        page.put_nowait(None)


def _message(kind: str, content: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(content, ensure_ascii=False, separators=(',', ':'))}\n\n"
