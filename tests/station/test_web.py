"""The station over HTTP, with a real broker behind it."""

import csv
import io
import json
import time
import urllib.request
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from station_scene import Nodes, RunningStation, about, alert_id, eventually, health, payload

from edge.delivery.brokers import Mosquitto
from edge.station import views
from edge.station.openapi import SHAPES
from edge.station.web import ROUTES

pytestmark = pytest.mark.broker

ALERT = f"alerts/node-7/{alert_id(1)}"


def have_alert(station: RunningStation, nodes: Nodes, **data) -> None:
    """Raise alert 1 and wait until the station has it."""
    nodes.say("node-7/alert", payload(1, 1, **data))
    eventually(lambda: station.ask("live")[1]["alerts"])


class Stream:
    """Reads server-sent events."""

    def __init__(self, station: RunningStation) -> None:
        """Connect."""
        self._answer = urllib.request.urlopen(station.url + "api/v1/stream", timeout=10)

    def next(self, kind: str) -> dict:
        """Wait for the next message of a kind."""
        while True:
            line = self._answer.readline().decode()
            assert line, "the stream ended"
            if line == f"event: {kind}\n":
                return json.loads(self._answer.readline().decode().removeprefix("data: "))

    def close(self) -> None:
        """Hang up."""
        self._answer.close()


def test_every_answer_is_as_openapi_says(station: RunningStation, nodes: Nodes):
    """Each described address answers, and what it answers fits its model."""
    nodes.say("node-7/about", about())
    nodes.say("node-7/health", health("blind", "covered"))
    have_alert(station, nodes)
    eventually(lambda: station.ask("troubles")[1])
    said = {"note": {"who": "Ada", "text": "x"}, "dismiss": {"who": "Ada", "reason": "deer"}, "session": {"token": "x"}}
    described = station.ask("openapi.json")[1]
    for method, path, name in ROUTES:
        answer = SHAPES[name][2]
        if name in ("stream", "base_map", "snapshot"):
            continue
        place = (
            path.format_map({"node": "node-7", "alert_id": alert_id(1), "number:int": 1})
            if "number" not in path
            else path.replace("{number:int}", "1")
        )
        status, content, _ = station.ask(place[1:], said.get(name, {"who": "Ada"}) if method == "POST" else None)
        assert status in (200, 204), (name, content)
        if answer is not None and not isinstance(answer, str):
            TypeAdapter(answer).validate_json(json.dumps(content), strict=False)
        assert path.replace(":int", "") in {one.removeprefix("/api/v1") for one in described["paths"]}
    assert described["components"]["schemas"]["AlertView"]["properties"]["calls"]["description"]


def test_an_alert_is_acknowledged_dismissed_and_noted(station: RunningStation, nodes: Nodes):
    """Who and what are kept with the alert, and every open page is told."""
    have_alert(station, nodes)
    stream = Stream(station)
    assert stream.next("live")["alerts"][0]["calls"]
    status, card, _ = station.ask(f"{ALERT}/acknowledge", {"who": "Ada", "note": "car sent"})
    assert (status, card["handled"], card["handled_by"]) == (200, "acknowledged", "Ada")
    assert [deed["kind"] for deed in card["actions"]] == ["acknowledge", "note"]
    assert stream.next("changes")["alerts"][0]["calls"] is False
    stream.close()


def test_a_new_alert_is_on_the_stream_within_a_second(station: RunningStation, nodes: Nodes):
    """From the publisher's hand to the stream, 20 alerts, the slowest of them."""
    stream = Stream(station)
    stream.next("live")
    took_s = []
    for number in range(1, 21):
        start_s = time.monotonic()
        nodes.say("node-7/alert", payload(number, 1, seq=number))
        while not any(one["alert_id"] == alert_id(number) for one in stream.next("changes")["alerts"]):
            pass
        took_s.append(time.monotonic() - start_s)
    stream.close()
    assert max(took_s) < 1.0


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (f"{ALERT}/acknowledge", {"who": "Ada"}, {"content_type": "text/plain"}, 415),
        (f"{ALERT}/acknowledge", {"who": "Ada"}, {"origin": "http://evil.example"}, 403),
        (f"{ALERT}/acknowledge", {"who": "Ada"}, {"host": "evil.example"}, 421),
        (f"{ALERT}/acknowledge", {"who": "x" * 20_000}, {}, 413),
        (f"{ALERT}/acknowledge", {"who": ""}, {}, 422),
        (f"{ALERT}/acknowledge", {"whoo": "Ada"}, {}, 422),
        (f"{ALERT}/dismiss", {"who": "Ada"}, {}, 422),
        ("alerts/node-7/NOBODY/acknowledge", {"who": "Ada"}, {}, 404),
        ("troubles/99/acknowledge", {"who": "Ada"}, {}, 404),
        ("alerts?priority=loud", None, {}, 422),
        ("alerts?limit=100000", None, {}, 422),
        ("alerts?before=x", None, {}, 422),
        ("alerts?from=yesterday", None, {}, 422),
        ("alerts?sort=x", None, {}, 422),
        ("nothing", None, {}, 404),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_in_words(station: RunningStation, path, body, headers, status):
    """Each refusal has its status and a reason."""
    found, content, _ = station.ask(path, body, **headers)
    assert (found, len(content["error"]) > 5) == (status, True)


def test_exports_hold_every_alert_and_run_in_no_spreadsheet(station: RunningStation, nodes: Nodes):
    """GeoJSON and CSV have all alerts, and a reason that looks like a formula is made plain."""
    place = {"lat": 49.0012, "lon": -111.9601, "ce_m": 25.0, "method": "ground-plane"}
    have_alert(station, nodes, position=place, reasons=["=cmd|' /C calc'!A0"])
    nodes.say("node-7/alert", payload(2, 1, seq=2))
    eventually(lambda: station.ask("alerts")[1]["count"] == 2)
    features = station.ask("export/alerts.geojson")[1]["features"]
    assert [one["geometry"] and one["geometry"]["coordinates"] for one in features] == [None, [-111.9601, 49.0012]]
    rows = list(csv.DictReader(io.StringIO(station.ask("export/alerts.csv?min_count=1")[1])))
    assert [row["reasons"] for row in rows] == ["line border crossed northward", "'=cmd|' /C calc'!A0"]


def test_trails_are_where_groups_with_a_position_have_been(station: RunningStation, nodes: Nodes):
    """Oldest first, also for a page opened later; an alert without a position, or one that is over, has none."""
    for rev in (1, 2, 3):
        place = {"lat": 49.0 + rev / 1000, "lon": -111.96, "ce_m": 25.0, "method": "ground-plane"}
        nodes.say("node-7/alert", payload(1, rev, seq=rev, position=place))
    nodes.say("node-7/alert", payload(2, 1, seq=4, reasons=['"position":{"lat":1}']))
    eventually(lambda: len(station.ask("live")[1]["alerts"]) == 2)
    (trail,) = station.ask("trails")[1]
    assert (trail["node"], trail["alert_id"]) == ("node-7", alert_id(1))
    assert [(one["rev"], one["lat"]) for one in trail["points"]] == [(1, 49.001), (2, 49.002), (3, 49.003)]
    station.ask(f"{ALERT}/acknowledge", {"who": "Ada"})
    nodes.say("node-7/alert", payload(1, 4, seq=5, phase="end", ended="left"))
    eventually(lambda: station.ask("trails")[1] == [])


def test_the_base_map_is_read_in_ranges(broker: Mosquitto, tmp_path: Path):
    """A page reads of a large archive only what it shows; without the setting there is none, and the page is told."""
    pytest.importorskip("pmtiles", reason="needs pmtiles, of the dev extra")
    from basemap_scene import picture_map

    archive = picture_map(tmp_path / "region.pmtiles")
    station = RunningStation(tmp_path, broker.port, web={"map_file": str(archive)})
    station.start()
    try:
        assert station.ask("live")[1]["station"]["base_map"] is True
        with urllib.request.urlopen(
            urllib.request.Request(station.url + "api/v1/map.pmtiles", headers={"Range": "bytes=7-20"})
        ) as answer:
            assert answer.status == 206
            assert answer.read() == archive.read_bytes()[7:21]
            assert answer.headers["content-range"] == f"bytes 7-20/{archive.stat().st_size}"
            assert answer.headers["etag"]
    finally:
        station.stop()


def test_without_a_base_map_there_is_none(station: RunningStation):
    """The page is told so, and asks for none."""
    assert station.ask("live")[1]["station"]["base_map"] is False
    status, answer, _ = station.ask("map.pmtiles")
    assert (status, answer["error"]) == (404, "this station has no base map (web.map_file)")


def test_refused_messages_show_in_health(station: RunningStation, nodes: Nodes):
    """A monitor sees how many were refused and why."""
    nodes.say("node-7/alert", b"{}")
    found = eventually(lambda: station.ask("health")[1]["refusals"])
    assert (found[0]["topic"], "required" in found[0]["reason"]) == ("edge/v1/node-7/alert", True)


def test_health_fails_while_the_broker_is_away(station: RunningStation, broker: Mosquitto):
    """A monitor that only reads the status learns that the station is deaf."""
    eventually(lambda: station.ask("health")[0] == 200)
    broker.kill()
    eventually(lambda: station.ask("health")[0] == 503)
    assert "delivery.host" in eventually(
        lambda: "nobody" in str(station.ask("health")[1]["fault"]) and station.ask("health")[1]["fault"]
    )


def test_every_answer_forbids_foreign_code(station: RunningStation):
    """The page and the interface carry a policy under which only our own files run."""
    for path in ("/", "/main.js", "/api/v1/live", "/nothing"):
        headers = station.ask_raw(path)[2]
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_with_a_token_nobody_is_let_in_without(broker: Mosquitto, tmp_path: Path):
    """Bearer and cookie open the interface; nothing, and a wrong token, do not; the page itself is no secret."""
    (tmp_path / "token").write_text("0123456789abcdef-secret\n")
    station = RunningStation(tmp_path, broker.port, web={"token_file": str(tmp_path / "token")})
    station.start()
    try:
        assert station.ask("live")[0] == 401
        assert station.ask("live", authorization="Bearer 0123456789abcdef-wrong")[0] == 401
        assert station.ask("live", authorization="Bearer 0123456789abcdef-secret", host="control.example")[0] == 200
        assert station.ask("session", {"token": "wrong"})[0] == 401
        status, _, headers = station.ask("session", {"token": "0123456789abcdef-secret"})
        assert status == 204
        assert "HttpOnly" in headers["set-cookie"]
        assert "secret" not in headers["set-cookie"]
        assert station.ask("live", cookie=headers["set-cookie"].split(";")[0])[0] == 200
        assert station.ask_raw("/")[0] == 200
    finally:
        station.stop()


def test_a_station_ends_at_once_though_pages_are_open(station: RunningStation):
    """Open streams are ended, not waited for."""
    stream = Stream(station)
    stream.next("live")
    start_s = time.monotonic()
    station.stop()
    assert time.monotonic() - start_s < 3.0
    stream.close()


def test_views_name_every_field_once():
    """A card is an alert with more, never with other fields."""
    assert set(views.AlertView.model_fields) < set(views.Card.model_fields)
