"""The station over HTTP: the page, the programming interface, and the stream of changes.

Starlette and not FastAPI: the station answers half a second sooner after a start, and the routes are few enough to
describe themselves in one table, from which OpenAPI is made. Whatever reads the database runs in a thread, and in one
of asyncio's own: the first use of anyio's costs a start another 20 ms.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from edge.clock import Clock
from edge.delivery.wire import iso_utc
from edge.station import access, export, questions
from edge.station.archive import Archive
from edge.station.asked import key_of, limit_of, number_of, question, wanted_of
from edge.station.changes import UnknownAlertError
from edge.station.deeds import Deed
from edge.station.hearing import Hearing
from edge.station.hub import MAX_PAGES, Hub
from edge.station.pictures import picture_of
from edge.station.sights import latest
from edge.station.store import Store
from edge.station.trails import trails

API = "/api/v1"
PAGE_FOLDER = Path(__file__).parent / "page"
_TROUBLES = 500


class Site:
    """What is behind every address."""

    def __init__(
        self,
        store: Store,
        archive: Archive,
        hub: Hub,
        hearing: Hearing,
        *,
        clock: Clock,
        token: str | None,
        map_file: str | None,
    ) -> None:
        """Answer from these."""
        self._store = store
        self._archive = archive
        self._hub = hub
        self._hearing = hearing
        self._clock = clock
        self._token = token
        self._map_file = map_file

    async def live(self, _request: Request) -> Response:
        """Everything that matters now."""
        return JSONResponse(await asyncio.to_thread(self._hub.live))

    async def stream(self, _request: Request) -> Response:
        """The live state, then every change, as server-sent events."""
        if self._hub.pages >= MAX_PAGES:
            return _no(503, f"{MAX_PAGES} pages are open already")
        return StreamingResponse(
            self._hub.stream(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def history(self, request: Request) -> Response:
        """One page of alerts, newest first."""
        wanted, limit = wanted_of(request), limit_of(request)
        before = request.query_params.get("before")
        found, following = await asyncio.to_thread(self._archive.page, wanted, limit=limit, before=before)
        count = await asyncio.to_thread(self._archive.count, wanted)
        return JSONResponse({"alerts": found, "next": following, "count": count})

    async def card(self, request: Request) -> Response:
        """One alert whole."""
        return JSONResponse(await asyncio.to_thread(self._archive.card, key_of(request)))

    async def acknowledge(self, request: Request) -> Response:
        """Take an alert over."""
        asked = await question(request, questions.Acknowledgement)
        await self._act(request, "acknowledge", asked.who, None)
        if asked.note:
            await self._act(request, "note", asked.who, asked.note)
        return await self.card(request)

    async def dismiss(self, request: Request) -> Response:
        """Say that an alert is nothing, and why."""
        asked = await question(request, questions.Dismissal)
        await self._act(request, "dismiss", asked.who, asked.reason)
        return await self.card(request)

    async def note(self, request: Request) -> Response:
        """Remember something about an alert."""
        asked = await question(request, questions.Note)
        await self._act(request, "note", asked.who, asked.text)
        return await self.card(request)

    async def troubles(self, _request: Request) -> Response:
        """The latest troubles, over or not."""
        return JSONResponse(await asyncio.to_thread(self._archive.trouble_history, limit=_TROUBLES))

    async def acknowledge_trouble(self, request: Request) -> Response:
        """Say that one knows of a trouble."""
        asked = await question(request, questions.Acknowledgement)
        number = number_of(request)
        self._hub.note(
            await asyncio.to_thread(
                self._store.acknowledge_trouble, number, who=asked.who, note=asked.note, utc_s=self._clock.utc_s()
            )
        )
        found = await asyncio.to_thread(self._archive.troubles_by_id, {number})
        return JSONResponse(found[0])

    async def snapshot(self, request: Request) -> Response:
        """The latest picture of an alert, where its node sends pictures."""
        picture = await asyncio.to_thread(picture_of, self._store.engine, *key_of(request))
        if picture is None:
            return _no(404, "there is no picture of this alert")
        return Response(picture, media_type="image/jpeg", headers={"cache-control": "no-cache"})

    async def sights(self, _request: Request) -> Response:
        """What nodes said of cameras that cannot see, the latest first; the last word of each."""
        return JSONResponse(await asyncio.to_thread(latest, self._store.engine, limit=_TROUBLES))

    async def nodes(self, _request: Request) -> Response:
        """The registry of nodes and cameras."""
        live = await asyncio.to_thread(self._hub.live)
        return JSONResponse(live["nodes"])

    async def gaps(self, request: Request) -> Response:
        """Which numbers of a node's messages never came."""
        return JSONResponse(await asyncio.to_thread(self._archive.gaps, request.path_params["node"]))

    async def trails(self, _request: Request) -> Response:
        """Where the groups that matter now have been."""
        return JSONResponse(await asyncio.to_thread(trails, self._store.engine))

    async def base_map(self, _request: Request) -> Response:
        """The base map of ``web.map_file``, a PMTiles archive; read it in ranges."""
        if self._map_file is None:
            return _no(404, "this station has no base map (web.map_file)")
        return FileResponse(self._map_file, media_type="application/vnd.pmtiles")

    async def geojson(self, request: Request) -> Response:
        """The history as GeoJSON."""
        pieces = export.geojson(self._archive.walk(wanted_of(request)))
        return _file(pieces, "alerts.geojson", "application/geo+json")

    async def csv(self, request: Request) -> Response:
        """The history as CSV."""
        return _file(export.table(self._archive.walk(wanted_of(request))), "alerts.csv", "text/csv; charset=utf-8")

    async def health(self, _request: Request) -> Response:
        """The station's health; 503 while nothing can be heard or kept."""
        refusals = [
            {"at": iso_utc(one.utc_s), "topic": one.topic, "reason": one.reason} for one in self._hearing.refusals
        ]
        state = {**self._hub.state(), "pages": self._hub.pages, "refusals": refusals}
        return JSONResponse(state, status_code=503 if state["fault"] else 200)

    async def openapi(self, _request: Request) -> Response:
        """This description."""
        from edge.station.openapi import document  # noqa: PLC0415  # the models of all answers: few ever ask for them

        return JSONResponse(document(ROUTES, Site))

    async def session(self, request: Request) -> Response:
        """Exchange the token for a cookie."""
        asked = await question(request, questions.Login)
        if self._token is not None and not access.same(asked.token, self._token):
            await asyncio.sleep(1.0)  # guessing gets slow
            return _no(401, "this is not the station's token (web.token_file)")
        answer = Response(status_code=204)
        if self._token is not None:
            value = access.cookie_value(self._token)
            secure = request.url.scheme == "https"
            answer.set_cookie(access.COOKIE, value, httponly=True, samesite="strict", secure=secure)
        return answer

    async def _act(self, request: Request, deed: Deed, who: str, text: str | None) -> None:
        changes = await asyncio.to_thread(
            self._store.act, key_of(request), deed, who=who, text=text, utc_s=self._clock.utc_s()
        )
        self._hub.note(changes)
        self._hearing.on_deed()


ROUTES: tuple[tuple[str, str, str], ...] = (
    # method, path, name in Site; what is asked and answered there stands in ``openapi``
    ("GET", "/live", "live"),
    ("GET", "/stream", "stream"),
    ("GET", "/alerts", "history"),
    ("GET", "/alerts/{node}/{alert_id}", "card"),
    ("POST", "/alerts/{node}/{alert_id}/acknowledge", "acknowledge"),
    ("POST", "/alerts/{node}/{alert_id}/dismiss", "dismiss"),
    ("POST", "/alerts/{node}/{alert_id}/note", "note"),
    ("GET", "/alerts/{node}/{alert_id}/snapshot", "snapshot"),
    ("GET", "/sights", "sights"),
    ("GET", "/troubles", "troubles"),
    ("POST", "/troubles/{number:int}/acknowledge", "acknowledge_trouble"),
    ("GET", "/nodes", "nodes"),
    ("GET", "/nodes/{node}/gaps", "gaps"),
    ("GET", "/trails", "trails"),
    ("GET", "/map.pmtiles", "base_map"),
    ("GET", "/export/alerts.geojson", "geojson"),
    ("GET", "/export/alerts.csv", "csv"),
    ("GET", "/health", "health"),
    ("GET", "/openapi.json", "openapi"),
    ("POST", "/session", "session"),
)


class _Page(StaticFiles):
    """The page's files; never kept by a browser without asking, so that an upgraded station is seen at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def application(site: Site, *, token: str | None) -> access.Gate:
    """Join addresses and answers behind the gate."""
    routes: list[Route | Mount] = [
        Route(API + path, _caught(getattr(site, name)), methods=[method]) for method, path, name in ROUTES
    ]
    routes.append(Route(API + "/{rest:path}", lambda _request: _no(404, "no such address; see /api/v1/openapi.json")))
    routes.append(Mount("/", _Page(directory=PAGE_FOLDER, html=True)))
    return access.Gate(Starlette(routes=routes), token)


def _caught(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn the errors of an answer into words and a status."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except UnknownAlertError:
            return _no(404, "there is nothing under this name")
        except ValueError as error:
            return _no(422, str(error))
        except DBAPIError as error:
            return _no(503, f"the database does not answer: {str(error.orig).splitlines()[0]} (store.url)")

    return answered


def _file(pieces: Iterator[str], name: str, kind: str) -> Response:
    return StreamingResponse(pieces, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def _no(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status)
