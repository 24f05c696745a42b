"""What a request asks for, checked: filters and pages in its address, and the JSON of its body."""

import asyncio
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from edge.station.archive import MAX_PAGE, Wanted
from edge.station.changes import UnknownAlertError
from edge.station.questions import Question
from edge.station.rows import PRIORITIES

_PAGE_ALERTS = 100
_BODY_S = 10.0
_FILTER_CHARS = 300
_MAX_NUMBER = 2**63 - 1  # what a database can count
_HANDLED = ("open", "acknowledged", "dismissed")
_Q = TypeVar("_Q", bound=Question)


async def question(request: Request, kind: type[_Q]) -> _Q:
    """Read the body as ``kind``; raises ``ValueError`` with the field that is wrong."""
    try:
        async with asyncio.timeout(_BODY_S):
            body = await request.body()
        return kind.model_validate_json(body)
    except TimeoutError:
        raise ValueError(f"the rest of the request did not come within {_BODY_S:g} s") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"{place}: {fault['msg']}" if place else fault["msg"]) from None


def key_of(request: Request) -> tuple[str, str]:
    """Read node and alert id from the path; raises ``UnknownAlertError`` for what can be none."""
    key = request.path_params["node"], request.path_params["alert_id"]
    if "\0" in key[0] + key[1]:
        raise UnknownAlertError
    return key


def number_of(request: Request) -> int:
    """Read the number of a trouble from the path; raises ``UnknownAlertError`` for what can be none."""
    number = int(request.path_params["number"])
    if number > _MAX_NUMBER:
        raise UnknownAlertError
    return number


def limit_of(request: Request) -> int:
    """Read how many alerts a page has; raises ``ValueError``."""
    try:
        limit = int(request.query_params.get("limit", _PAGE_ALERTS))
    except ValueError:
        limit = 0
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"limit: 1 to {MAX_PAGE}")
    return limit


def wanted_of(request: Request) -> Wanted:
    """Read the filters; raises ``ValueError`` with the one that is wrong."""
    given = request.query_params
    if any("\0" in value or len(value) > _FILTER_CHARS for value in given.values()):
        raise ValueError(f"a filter has at most {_FILTER_CHARS} characters, and none that no text has")
    wrong = set(given) - {"node", "camera", "priority", "handled", "min_count", "from", "to", "limit", "before"}
    if wrong:
        raise ValueError(f"{min(wrong)}: no such filter")
    for name, known in (("priority", PRIORITIES), ("handled", _HANDLED)):
        if given.get(name) and given[name] not in known:
            raise ValueError(f"{name}: one of {', '.join(known)}")
    least = given.get("min_count") or None
    if least is not None and not (least.isascii() and least.isdigit() and len(least) < 7):  # noqa: PLR2004
        raise ValueError("min_count: a whole number")
    return Wanted(
        node=given.get("node") or None,
        camera=given.get("camera") or None,
        priority=given.get("priority") or None,
        handled=given.get("handled") or None,
        min_count=int(least) if least else None,
        from_utc_s=_moment(given.get("from"), "from"),
        to_utc_s=_moment(given.get("to"), "to"),
    )


def _moment(text: str | None, name: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: a time such as 2026-02-03T13:16:04Z") from None
