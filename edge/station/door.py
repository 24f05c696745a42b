"""The connections of the web server: none may hold its place without using it.

uvicorn waits for ever for a request that was begun, and for a reader who does not read. A few hundred such connections,
which cost whoever opens them nothing, would keep every operator out.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 400  # well below the 1024 files that a process may commonly open: the database needs some
_REQUEST_S = 10.0  # from the first byte, or the connection, to the end of a request's headers
_STALL_S = 30.0  # for a reader whose window is full


class Door(H11Protocol):
    """One connection, as uvicorn serves it, with an end to its patience."""

    _due: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request, or hang up on one too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._rest()
        self._flows()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of the headers, if they are not whole; a body is waited for by whoever reads it."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect()
        else:
            self._rest()

    def pause_writing(self) -> None:
        """Give a reader who does not read some time."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(_STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it reads."""
        self._flows()
        super().resume_writing()

    def _expect(self) -> None:
        if self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(_REQUEST_S, self.transport.abort)

    def _rest(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
