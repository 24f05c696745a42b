"""Attacks on the station: through HTTP, from other pages in an operator's browser, and from a client of the broker."""

import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_scene import ARGUMENTS, CHROMIUM, until
from station_scene import Nodes, RunningStation, about, alert_id, eventually, health, payload

from edge.station import door

pytestmark = pytest.mark.broker

_GET = b"GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


def say(station: RunningStation, *pieces: bytes, within_s: float = 5.0) -> bytes:
    """Send raw bytes and give the first of what comes back; empty when the station hangs up."""
    with socket.create_connection(("127.0.0.1", station.port), timeout=within_s) as raw:
        try:
            for piece in pieces:
                raw.sendall(piece)
            return raw.recv(4096)
        except ConnectionError:
            return b""


def status(answer: bytes) -> int:
    """Read the status of an answer."""
    return int(answer.split()[1]) if answer else 0


def test_a_half_request_is_not_waited_for(station: RunningStation, monkeypatch: pytest.MonkeyPatch):
    """Who opens, or begins to speak, and does not go on loses the connection; who is between two requests does not."""
    monkeypatch.setattr(door, "_REQUEST_S", 1.5)
    with (
        socket.create_connection(("127.0.0.1", station.port), timeout=9.0) as fair,
        socket.create_connection(("127.0.0.1", station.port), timeout=9.0) as mute,
        socket.create_connection(("127.0.0.1", station.port), timeout=9.0) as slow,
    ):
        assert asked_again(fair) == 200
        slow.sendall(b"GET / HTTP/1.1\r\nx: ")
        began_s = time.monotonic()
        with pytest.raises(ConnectionError):
            while True:  # a letter a moment, for ever
                slow.sendall(b"y")
                time.sleep(0.1)
        assert time.monotonic() - began_s < 6.0
        assert hung_up(mute)
        assert asked_again(fair) == 200


def asked_again(raw: socket.socket) -> int:
    """Ask on an open connection and read the whole answer, so that the next one begins where this one ends; its status."""
    raw.sendall(_GET)
    answer = http.client.HTTPResponse(raw)
    answer.begin()
    answer.read()
    return answer.status


def hung_up(raw: socket.socket) -> bool:
    """Whether the other side has ended a connection."""
    try:
        return raw.recv(1) == b""
    except ConnectionError:
        return True


def test_one_connection_too_many_costs_nobody_else(station: RunningStation, monkeypatch: pytest.MonkeyPatch):
    """Beyond the limit a connection is closed at once, and room that was left is used again."""
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 8)
    many = [socket.create_connection(("127.0.0.1", station.port), timeout=5.0) for _ in range(9)]
    try:
        assert hung_up(many[-1])
        many[0].sendall(_GET)
        assert status(many[0].recv(4096)) == 200
    finally:
        for one in many:
            one.close()
    assert eventually(lambda: status(say(station, _GET)) == 200)


def test_a_reader_who_does_not_read_is_let_go(station: RunningStation, nodes: Nodes, monkeypatch: pytest.MonkeyPatch):
    """A stream whose other end takes nothing is ended, and its place is free again."""
    monkeypatch.setattr(door, "_STALL_S", 0.5)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", station.port))
        deaf.sendall(b"GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        eventually(lambda: station.ask("health")[1]["pages"] == 1)

        def pour_until_gone() -> bool:
            told = [("node-7/alert", payload(n, 1, seq=n, reasons=["x" * 300] * 16)) for n in range(1, 60)]
            nodes.pour(told)
            time.sleep(0.1)
            with socket.create_connection(("127.0.0.1", station.port), timeout=5.0):
                return all(str(deaf.getsockname()[1]) not in line.split()[2] for line in established(station.port))

        eventually(pour_until_gone, 30.0)
    assert station.ask("health")[1]["pages"] == 0


def established(port: int) -> list[str]:
    """List the connections that a port of this machine holds, as the kernel has them, the peer's port in decimals."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if int(local.rpartition(":")[2], 16) == port and state == "01":
            found.append(f"{local} to {int(remote.rpartition(':')[2], 16)}")
    return found


@pytest.mark.parametrize(
    ("request_line", "headers", "body", "wanted"),
    [
        ("POST /api/v1/session", "content-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked",
         b"ffffff\r\n", 413),
        ("POST /api/v1/session", "content-type: application/json\r\ncontent-length: 1_0", b"", 400),
        ("POST /api/v1/session", "content-type: application/json\r\ncontent-length: -1", b"", 400),
        ("POST /api/v1/session", "content-type: application/json\r\ncontent-length: 16000", b"[" * 16000, 422),
        ("POST /api/v1/session", "origin: null\r\ncontent-type: application/json\r\ncontent-length: 2", b"{}", 403),
        ("POST /api/v1/troubles/99999999999999999999999/acknowledge",
         "content-type: application/json\r\ncontent-length: 13", b'{"who":"Ada"}', 404),
        ("POST /api/v1/alerts/a/b/note", "content-type: application/json\r\ncontent-length: 29",
         rb'{"who":"Ada","text":"\u0000"}', 422),
        ("GET /api/v1/alerts/%00/x", "x: y", b"", 404),
        ("GET /api/v1/alerts?node=%00", "x: y", b"", 422),
        ("GET /api/v1/alerts?before=nan/x/y", "x: y", b"", 200),
        ("GET /api/v1/alerts?node=" + "x" * 20_000, "x: y", b"", 422),
        ("GET /../../../../etc/passwd", "x: y", b"", 404),
        ("GET /%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "x: y", b"", 404),
        ("GET /..%2f..%2f..%2f..%2fetc%2fpasswd", "x: y", b"", 404),
        ("GET /vendor/../../web.py", "x: y", b"", 404),
        ("GET /api/v1/export/..%2f..%2fstation.sqlite", "x: y", b"", 404),
        ("GET /api/v1/alerts/..%2f..%2f/x/snapshot", "x: y", b"", 404),
        ("DELETE /api/v1/alerts/a/b", "content-type: application/json\r\ncontent-length: 2", b"{}", 405),
        ("GET http://evil.example/api/v1/live", "x: y", b"", 404),
    ],
)  # fmt: skip
def test_malformed_requests_get_no_further_than_a_refusal(
    station: RunningStation, request_line: str, headers: str, body: bytes, wanted: int
):
    """Smuggled bodies, paths that climb, numbers without end: a refusal, never a fault of the server."""
    head = f"{request_line} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n\r\n".encode()
    answer = say(station, head, body)
    assert status(answer) == wanted, answer
    assert b"root:" not in answer
    assert station.ask("health")[0] == 200


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("127.0.0.1", 200), ("127.3.2.1:80", 200), ("localhost:1", 200), ("[::1]:8080", 200), ("[::1]", 200),
     ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:80", 421), ("0.0.0.0", 421),
     ("192.168.1.5", 421), ("", 421)],
)  # fmt: skip
def test_only_names_that_no_foreign_server_can_give_are_answered(station: RunningStation, host: str, wanted: int):
    """A name that points at this machine for the moment (DNS rebinding) gets nothing."""
    answer = say(station, f"GET /api/v1/live HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    assert status(answer) == wanted


def test_a_client_of_the_broker_cannot_hurt_the_station(station: RunningStation, nodes: Nodes):
    """Nonsense on every topic that it hears, replies and pictures included, is refused and counted; nothing is shown."""
    deep = b"[" * 100_000
    hostile = [
        ("node-7/reply/station", deep), ("node-7/reply/station", b'{"id":1e400}'), ("node-7/reply/station", b"x" * 150_000),
        ("node-7/reply/station", json.dumps({"id": 1, "command": "resend", "outcome": "done", "gone": [[9, 1]]}).encode()),
        ("node-7/about", deep), ("node-7/about", about("other")), ("node-7/about", about(poses={"north": {"lat": 1e9}})),
        ("node-7/health", health().replace(b'"north"', b'"<b>north</b>"')), ("node-7/availability", b"ONLINE"),
        (f"node-7/cam/north/snapshot/{alert_id(1).lower()}", b"<svg onload='alert(1)'/>"),
        (f"node-7/cam/north/snapshot/{alert_id(1).lower()}", b"\xff\xd8\xff" + b"x" * 210_000 + b"\xff\xd9"),
        ("UPPER/alert", payload(1, 1)),
    ]  # fmt: skip
    for topic, message in hostile:
        nodes.say(topic, message)
    nodes.say("node-7/alert", payload(2, 1))
    eventually(lambda: station.ask("live")[1]["alerts"])
    live, told = station.ask("live")[1], station.ask("health")[1]
    assert [one["alert_id"] for one in live["alerts"]] == [alert_id(2)]
    assert told["refused"] == len(hostile) - 1  # an answer to a question that nobody asked is no fault
    assert all(len(one["reason"]) < 300 for one in told["refusals"])


_OTHER = """<!doctype html><title>x</title>
<form id=f method=post enctype="text/plain" target=nowhere action="{base}alerts/node-7/{alert}/acknowledge">
  <input name='{{"who":"mallory","note":"' value='"}}'></form>
<iframe name=nowhere></iframe><iframe src="{base}../../"></iframe>
<script>
globalThis.told = {{}};
const deed = "{base}alerts/node-7/{alert}/acknowledge", body = '{{"who":"mallory"}}';
const kept = (promise) => promise.then(() => "done", () => "no");
const event = (one, name) => new Promise((done) => {{
  one.addEventListener(name, () => done("done")); one.onerror = () => done("no"); }});
(async () => {{
  document.getElementById("f").submit();
  told.json = await kept(fetch(deed, {{ method: "POST", headers: {{ "content-type": "application/json" }}, body }}));
  await kept(fetch(deed, {{ method: "POST", mode: "no-cors", body }}));
  told.read = await kept(fetch("{base}live"));
  const stream = new EventSource("{base}stream");
  told.stream = await event(stream, "live");
  stream.close();
  const image = new Image();
  image.src = "{base}../../icon.svg";
  told.image = await event(image, "load");
  told.done = true;
}})();
</script>"""


@contextmanager
def other_page(html: str) -> Iterator[str]:
    """Serve a page from another origin of this machine, as a hostile site would; give its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Gives the page."""

        def do_GET(self) -> None:
            """Answer anything with the page."""
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


@pytest.mark.browser
@pytest.mark.slow
def test_another_page_in_the_operators_browser_can_do_and_read_nothing(browser, station: RunningStation, nodes: Nodes):
    """Form, fetch, stream, frame and image from a foreign origin fail, and so does a name that points at loopback."""
    nodes.say("node-7/alert", payload(1, 1))
    eventually(lambda: station.ask("live")[1]["alerts"])
    rebound = browser.browser_type.launch(
        executable_path=CHROMIUM, args=[*ARGUMENTS, "--host-resolver-rules=MAP *.example 127.0.0.1"]
    )
    with other_page(_OTHER.format(base=f"{station.url}api/v1/", alert=alert_id(1))) as port:
        page = rebound.new_page()
        page.goto(f"http://evil.example:{port}/")
        until(page, "globalThis.told.done", 20.0)
        told = page.evaluate("told")
        assert (told["json"], told["read"], told["stream"], told["image"]) == ("no", "no", "no", "no")
        frame = page.frames[-1]
        assert "edge station" not in (frame.content() if frame.url.startswith("http://127") else "")
        answer = page.goto(f"http://evil.example:{station.port}/")
        assert answer.status == 421
    rebound.close()
    card = station.ask(f"alerts/node-7/{alert_id(1)}")[1]
    assert (card["handled"], card["actions"]) == ("open", [])
