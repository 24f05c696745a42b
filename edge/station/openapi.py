"""The OpenAPI 3.1 description of the interface: the table of routes, with what is asked and answered at each.

Loaded only when somebody asks for it: the models of all answers take longer to make than the first answer itself.
"""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter

from edge import __version__
from edge.station import questions, views

SHAPES: dict[str, tuple[str, Any, Any]] = {
    # name of the route: tag, question, answer
    "live": ("live", None, views.Live),
    "stream": ("live", None, "text/event-stream"),
    "history": ("alerts", None, views.Page),
    "card": ("alerts", None, views.Card),
    "acknowledge": ("alerts", questions.Acknowledgement, views.Card),
    "dismiss": ("alerts", questions.Dismissal, views.Card),
    "note": ("alerts", questions.Note, views.Card),
    "snapshot": ("alerts", None, "image/jpeg"),
    "sights": ("troubles", None, list[views.SightView]),
    "troubles": ("troubles", None, list[views.TroubleView]),
    "acknowledge_trouble": ("troubles", questions.Acknowledgement, views.TroubleView),
    "nodes": ("nodes", None, list[views.NodeView]),
    "gaps": ("nodes", None, "application/json"),
    "trails": ("map", None, list[views.TrailView]),
    "base_map": ("map", None, "application/vnd.pmtiles"),
    "geojson": ("export", None, "application/geo+json"),
    "csv": ("export", None, "text/csv"),
    "health": ("station", None, views.HealthView),
    "openapi": ("station", None, "application/json"),
    "session": ("station", questions.Login, None),
}

_FILTERS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("node", {"type": "string"}, "only this node"),
    ("camera", {"type": "string"}, "only this camera"),
    ("priority", {"type": "string", "enum": ["routine", "important", "urgent"]}, "at least this loud"),
    ("handled", {"type": "string", "enum": ["open", "acknowledged", "dismissed"]}, "what operators did about it"),
    ("min_count", {"type": "integer"}, "groups that were at least this large at some time"),
    ("from", {"type": "string", "format": "date-time"}, "heard at this time or later"),
    ("to", {"type": "string", "format": "date-time"}, "heard before this time"),
)
_PAGING: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}, "alerts on a page"),
    ("before", {"type": "string"}, "'next' of the page before"),
)


def document(routes: Iterable[tuple[str, str, str]], site: type) -> dict[str, Any]:
    """Describe every route: method, path, and the method of ``site`` that answers, whose docstring says what it does."""
    schemas: dict[str, Any] = {"Error": {"type": "object", "properties": {"error": {"type": "string"}}}}
    paths: dict[str, dict[str, Any]] = {}
    for method, path, name in routes:
        tag, question, answer = SHAPES[name]
        plain = re.sub(r":[a-z]+}", "}", path)
        operation: dict[str, Any] = {
            "operationId": name,
            "summary": (getattr(site, name).__doc__ or "").strip(),
            "tags": [tag],
            "parameters": _parameters(plain, name),
            "responses": {
                "200" if answer else "204": {"description": "done", **_content(answer, schemas)},
                "default": {
                    "description": "refused, with the reason in words",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                },
            },
        }
        if question is not None:
            operation["requestBody"] = {"required": True, **_content(question, schemas)}
        paths.setdefault(f"/api/v1{plain}", {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edge station",
            "version": __version__,
            "description": "What the control room knows and does. With web.token_file set, send the token as a bearer.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _parameters(path: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": part, "in": "path", "required": True, "schema": {"type": "integer" if part == "number" else "string"}}
        for part in re.findall(r"{([a-z_]+)}", path)
    ]
    asked = _FILTERS + _PAGING if name == "history" else _FILTERS if name in ("geojson", "csv") else ()
    return found + [{"name": word, "in": "query", "schema": schema, "description": why} for word, schema, why in asked]


def _content(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    if isinstance(kind, str):
        return {"content": {kind: {"schema": {} if kind == "application/json" else {"type": "string"}}}}
    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        schemas[kind.__name__] = schema
        schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"content": {"application/json": {"schema": schema}}}
