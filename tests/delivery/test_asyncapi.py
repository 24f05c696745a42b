"""The published contract is current, is well formed, and describes what is really written."""

import json

import jsonschema
import pytest
from delivery_scene import BOOT_ID, make_alert

from edge.delivery.asyncapi import SCHEMA_FOLDER, asyncapi, files, json_schemas
from edge.delivery.commands import COMMANDS
from edge.delivery.wire import Topics
from edge.delivery.wire_alert import alert_event


def alert_document(**group):
    """Write one alert and read it as JSON."""
    return json.loads(alert_event(make_alert(**group), node="node-7", seq=1, boot_id=BOOT_ID, clock="ntp"))


def references(document):
    """Walk every ``$ref`` in a document."""
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for inner in document.values():
            yield from references(inner)
    elif isinstance(document, list):
        for inner in document:
            yield from references(inner)


def test_committed_files_are_current():
    """``python -m edge.delivery.asyncapi`` was run after the last change of a payload."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in SCHEMA_FOLDER.glob("*.json")}
    assert committed == files()


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_schemas_are_schemas(name):
    """Each is valid JSON Schema, knows no null, and explains every key."""
    schema = json_schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert '"null"' not in json.dumps(schema)
    for part in [schema, *schema.get("$defs", {}).values()]:
        assert all("description" in field or "$ref" in field for field in part.get("properties", {}).values())


def test_alerts_fit_their_schema():
    """What the node writes validates; an alert without its count, or with a null, does not."""
    validator = jsonschema.Draft202012Validator(json_schemas()["alert.json"])
    validator.validate(alert_document())
    validator.validate(alert_document(zone=None, crossing=None))
    without_members, without_count, with_null = alert_document(), alert_document(), alert_document()
    del without_members["data"]["members"]
    validator.validate(without_members)
    del without_count["data"]["count"]
    with_null["data"]["zone"] = None
    assert not validator.is_valid(without_count)
    assert not validator.is_valid(with_null)


def test_asyncapi_hangs_together():
    """Every reference leads somewhere, every operation has its channel, and the addresses are the topics in use."""
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    for reference in references(document):
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    topics = Topics("node-7")
    names = {"node": "node-7", "camera": "north", "alert_id": "01jd9", "requester": "room"}
    addresses = {channel["address"].format(**names) for channel in document["channels"].values()}
    written = {topics.alert, topics.availability, topics.about, topics.health, topics.count("north"),
               topics.snapshot("north", "01JD9"), topics.reply("room")}  # fmt: skip
    heard = {topics.receipt, *(topics.command(name) for name in COMMANDS)}
    assert addresses == written | heard
    for operation in document["operations"].values():
        channel = document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
        assert (operation["action"] == "receive") == (channel["address"].format(**names) in heard)
    assert document["operations"]["send-alert"]["bindings"]["mqtt"] == {
        "qos": 1,
        "retain": False,
        "bindingVersion": "0.2.0",
    }
    for channel in document["channels"].values():
        assert set(channel["parameters"]) == {part[1:-1] for part in channel["address"].split("/") if part[0] == "{"}
