"""The contract as files, generated from the payload models: JSON Schema of each payload and one AsyncAPI 3.0 document.

``python -m edge.delivery.asyncapi`` writes them to ``edge/delivery/schema``; a test fails when they are not current.
The documents describe what a node writes and hears: what is always there is required, and what may be unknown is
optional and never null. They keep to the words that draft-07 and 2020-12 share, because AsyncAPI tools read the older one.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from edge.delivery.commands import COMMANDS, Receipt, Reply
from edge.delivery.wire import About, AlertEvent, Health
from edge.delivery.wire_sight import SightEvent

SCHEMA_FOLDER = Path(__file__).parent / "schema"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PAYLOADS: dict[str, type[BaseModel]] = {
    "alert": AlertEvent,
    "sight": SightEvent,
    "health": Health,
    "about": About,
    "receipt": Receipt,
    **COMMANDS,
    "reply": Reply,
}
_PARAMETERS = {
    "node": {"description": "node.id of the configuration: lower-case letters, digits and '-'"},
    "camera": {"description": "camera.id of the configuration"},
    "alert_id": {"description": "the alert's id in lower case"},
    "requester": {"description": "who gave the command, as it said itself"},
}


class _AsWritten(GenerateJsonSchema):
    """Optional means absent, not null; a default that is written is required; a box is a list of four."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        return inner if schema.get("default") is None else {**inner, "default": schema["default"]}

    def field_is_required(self, field: Any, total: bool) -> bool:
        inner = field["schema"]
        if inner["type"] == "default":
            return inner.get("default") is not None
        return super().field_is_required(field, total)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # "Alert Id" says no more than alert_id
        return False

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        items = [self.generate_inner(item) for item in schema["items_schema"]]
        return {"type": "array", "items": items[0], "minItems": len(items), "maxItems": len(items)}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Give the JSON Schema of each payload, by file name."""
    schemas = {}
    for name, model in _PAYLOADS.items():
        schema = model.model_json_schema(schema_generator=_AsWritten)
        schemas[f"{name}.json"] = {"$schema": _DIALECT, "$id": f"edge/v1/{name}.json", **schema}
    return schemas


def asyncapi() -> dict[str, Any]:
    """Give the AsyncAPI 3.0 document: every topic of a node, with quality of service and payload."""
    names, definitions = models_json_schema(
        [(model, "validation") for model in _PAYLOADS.values()],
        schema_generator=_AsWritten,
        ref_template="#/components/schemas/{model}",
    )
    payloads: dict[str, Any] = {name: names[(model, "validation")] for name, model in _PAYLOADS.items()}
    payloads["availability"] = {"type": "string", "enum": ["online", "offline"], "description": "offline is the will"}
    payloads["count"] = {"type": "integer", "minimum": 0, "description": "people this camera sees now"}
    payloads["snapshot"] = {"type": "string", "format": "binary", "description": "a JPEG file"}
    topics = {
        "alert": _Topic(
            "edge/v1/{node}/alert", 1, "application/cloudevents+json", "One revision of one group's story."
        ),
        "sight": _Topic(
            "edge/v1/{node}/alert", 1, "application/cloudevents+json", "One camera cannot see, or can again."
        ),
        "availability": _Topic(
            "edge/v1/{node}/availability", 1, "text/plain", "Whether the node is there.", retain=True
        ),
        "about": _Topic("edge/v1/{node}/about", 1, "application/json", "What the node is.", retain=True),
        "health": _Topic("edge/v1/{node}/health", 0, "application/json", "How the node does.", retain=True),
        "count": _Topic(
            "edge/v1/{node}/cam/{camera}/count", 0, "text/plain", "How many a camera sees.", retain=True, expiry_s=60
        ),
        "snapshot": _Topic(
            "edge/v1/{node}/cam/{camera}/snapshot/{alert_id}",
            1,
            "image/jpeg",
            "A picture of an alert; only where the node's configuration lets pictures leave it.",
        ),
        "reply": _Topic(
            "edge/v1/{node}/reply/{requester}", 0, "application/json", "What became of a command.", expiry_s=300
        ),
        "receipt": _Topic(
            "edge/v1/{node}/receipt",
            0,
            "application/json",
            "These alerts are stored for good; obeyed where delivery.confirm is station.",
            action="receive",
        ),
    }
    for name, model in COMMANDS.items():
        summary = (model.__doc__ or "").strip()
        topics[name] = _Topic(f"edge/v1/{{node}}/cmd/{name}", 1, "application/json", summary, action="receive")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge",
            "version": "1",
            "description": "What a thermal-camera node tells a control room over MQTT, and what it listens to. Alerts "
            "are not retained and carry their whole state; dedupe by the event's id.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: topic.channel(name) for name, topic in topics.items()},
        "operations": {f"{topic.action}-{name}": topic.operation(name) for name, topic in topics.items()},
        "components": {
            "messages": {name: topic.message(name, payloads[name]) for name, topic in topics.items()},
            "schemas": definitions.get("$defs", {}),
        },
    }


class _Topic:
    """One topic as AsyncAPI sees it: a channel, an operation and a message."""

    def __init__(
        self,
        address: str,
        qos: int,
        content_type: str,
        summary: str,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        action: Literal["send", "receive"] = "send",
    ) -> None:
        self.action = action
        self._address = address
        self._binding: dict[str, Any] = {"qos": qos, "retain": retain, "bindingVersion": "0.2.0"}
        if expiry_s is not None:
            self._binding["messageExpiryInterval"] = expiry_s
        self._content_type = content_type
        self._summary = summary

    def channel(self, name: str) -> dict[str, Any]:
        parameters = {key: value for key, value in _PARAMETERS.items() if f"{{{key}}}" in self._address}
        reference = {"$ref": f"#/components/messages/{name}"}
        return {"address": self._address, "messages": {name: reference}, "parameters": parameters}

    def operation(self, name: str) -> dict[str, Any]:
        asks = name in COMMANDS
        return {
            "action": self.action,
            **({"reply": {"channel": {"$ref": "#/channels/reply"}}} if asks else {}),
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
            "summary": self._summary,
            "bindings": {"mqtt": self._binding},
        }

    def message(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "summary": self._summary, "contentType": self._content_type, "payload": payload}


def files() -> dict[str, str]:
    """Give the text of every generated file, by name."""
    documents = {**json_schemas(), "asyncapi.json": asyncapi()}
    return {name: json.dumps(document, indent=1, ensure_ascii=False) + "\n" for name, document in documents.items()}


if __name__ == "__main__":
    for file_name, text in files().items():
        (SCHEMA_FOLDER / file_name).write_text(text, encoding="utf-8")
