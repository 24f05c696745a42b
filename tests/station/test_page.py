"""The page in a real browser, with a real broker and a real station behind it: what an operator sees and does."""

import json
from typing import Any

import cv2
import numpy as np
import pytest
from page_scene import a_night, lively, page_of, rows, until
from station_scene import Nodes, RunningStation, about, alert_id, eventually, payload

pytestmark = [pytest.mark.browser, pytest.mark.broker]


def test_the_loudest_that_nobody_has_stands_first(browser, station: RunningStation, nodes: Nodes):
    """Blind and urgent before important before routine; count, range, place and movement are to be read."""
    a_night(nodes)
    with page_of(browser, station) as page:
        until(page, "document.querySelectorAll('#list .row').length === 4")
        texts = rows(page)
        assert {texts[0].split("\n")[0], texts[1].split("\n")[0]} == {"BLIND", "9"}
        assert "8\u201310 people" in " ".join(texts[:2])
        assert "4 crossed border northward" in " ".join(texts[:2])
        assert texts[2].startswith("6")
        assert "heading north" in texts[2]
        assert texts[3].startswith("1")
        assert page.title() == "(4) edge station"


@pytest.mark.slow
def test_an_operator_needs_only_keys(browser, station: RunningStation, nodes: Nodes):
    """Take over, dismiss with a reason, note and every view, without a mouse; the station keeps it all."""
    a_night(nodes)
    with page_of(browser, station) as page:
        until(page, "document.querySelectorAll('#list .row').length === 4")
        for _ in range(2):
            page.keyboard.press("a")
            page.wait_for_timeout(400)
        eventually(lambda: station.ask(f"alerts/pass-east/{alert_id(1)}")[1]["handled_by"] == "Desk 2")
        eventually(lambda: station.ask("troubles")[1][0]["handled_by"] == "Desk 2")
        page.keyboard.press("j")
        page.wait_for_selector("#card:not([hidden]) .big")
        assert page.locator("#card .big").inner_text().startswith("6")
        page.keyboard.press("d")
        page.keyboard.press("1")
        eventually(lambda: station.ask(f"alerts/river-3/{alert_id(3)}")[1]["handled_reason"] == "animal")
        page.keyboard.press("n")
        page.keyboard.type("deer with calves")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        eventually(lambda: station.ask(f"alerts/river-3/{alert_id(3)}")[1]["actions"][-1]["text"] == "deer with calves")
        page.keyboard.press("3")
        assert page.locator(".tile.blind").inner_text().startswith("north\n✕ BLIND")
        page.keyboard.press("4")
        until(page, "document.querySelectorAll('#past .row').length === 3")


@pytest.mark.slow
def test_enter_means_what_was_typed(browser, station: RunningStation, nodes: Nodes):
    """The first deed asks who is there; Enter in a field sends the field, and Escape does nothing at all."""
    nodes.say("node-7/alert", payload(1, 1))
    with page_of(browser, station) as page:
        page.wait_for_selector(".row")
        page.evaluate("localStorage.removeItem('edge-operator')")
        page.keyboard.press("a")
        until(page, "document.querySelector('#ask-who').open")
        page.keyboard.press("Escape")
        until(page, "!document.querySelector('#ask-who').open")
        page.keyboard.press("d")
        page.locator("#why-input").fill("a bear")
        page.keyboard.press("Enter")
        page.locator("#who-input").fill("Ada")
        page.keyboard.press("Enter")
        told = eventually(lambda: (card := station.ask(f"alerts/node-7/{alert_id(1)}")[1])["actions"] and card)
        assert [(one["who"], one["kind"], one["text"]) for one in told["actions"]] == [("Ada", "dismiss", "a bear")]
        assert page.locator("#who-name").inner_text() == "Ada"


@pytest.mark.slow
def test_it_sounds_until_somebody_attends(browser, station: RunningStation, nodes: Nodes):
    """The sound begins with the alert and ends with the acknowledgement."""
    with page_of(browser, station) as page:
        page.keyboard.press("x")  # browsers let no page sound before a key is pressed
        nodes.say("node-7/alert", payload(1, 1, priority="urgent"))
        until(page, "edgeStation.sound.played >= 2")
        page.keyboard.press("a")
        until(page, "edgeStation.state.loudest === null")
        played = page.evaluate("edgeStation.sound.played")
        page.wait_for_timeout(1900)
        assert page.evaluate("edgeStation.sound.played") == played


@pytest.mark.slow
def test_single_keys_can_be_put_to_sleep(browser, station: RunningStation, nodes: Nodes):
    """Who dictates to the machine must not acknowledge alerts by saying a word (WCAG 2.1.4); Escape still closes."""
    nodes.say("node-7/alert", payload(1, 1))
    with page_of(browser, station) as page:
        page.wait_for_selector(".row")
        page.keyboard.press("?")
        page.locator("#single-keys").uncheck()
        page.keyboard.press("Escape")
        for key in "adn4?":
            page.keyboard.press(key)
        assert page.locator("dialog[open]").count() == 0
        assert page.locator("#view-live").is_visible()
        page.locator(".row .open").click()
        page.wait_for_selector("#card h2")
        page.keyboard.press("Escape")
        until(page, "document.querySelector('#card').hidden")
        assert station.ask(f"alerts/node-7/{alert_id(1)}")[1]["actions"] == []


HOSTILE = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>'


@pytest.mark.slow
def test_nothing_that_anybody_says_runs(browser, station: RunningStation, nodes: Nodes):
    """Markup in every text a node or an operator can send is shown as text: list, card, map, pictures, wall, history."""
    place = {"lat": 49.0, "lon": -111.96, "ce_m": 25.0, "method": "ground-plane"}
    pose = {"north": {"lat": 49.0, "lon": -111.96, "heading_deg": 0.0, "fov_deg": 50.0}}
    nodes.say("node-7/about", about(poses=pose, model={"id": "x", "version": "1", "sha256": "0" * 64}))
    nodes.say("node-7/alert", payload(1, 1, reasons=[HOSTILE, "</textarea>" + HOSTILE], position=place))
    nodes.say("node-7/alert", payload(2, 1, seq=2, reasons=[HOSTILE]))
    nodes.say("node-7/health", lively("blind", HOSTILE))
    eventually(lambda: len(station.ask("live")[1]["alerts"]) == 2)
    for number in (1, 2):
        where = f"alerts/node-7/{alert_id(number)}"
        assert station.ask(f"{where}/note", {"who": HOSTILE[:80], "text": HOSTILE})[0] == 200
        assert station.ask(f"{where}/dismiss", {"who": HOSTILE[:80], "reason": HOSTILE})[0] == 200
    trouble = eventually(lambda: station.ask("troubles")[1])[0]["id"]
    assert station.ask(f"troubles/{trouble}/acknowledge", {"who": HOSTILE[:80], "note": HOSTILE})[0] == 200
    with page_of(browser, station) as page:
        page.add_init_script(f"localStorage.setItem('edge-operator', {json.dumps(HOSTILE)})")
        page.reload()
        until(page, "document.querySelectorAll('#list .row').length === 3")
        assert "<img src=x" in " ".join(rows(page))
        for _ in range(3):
            page.keyboard.press("j")
            page.wait_for_selector("#card h2")
            page.wait_for_timeout(300)
        for key in "234":
            page.keyboard.press(key)
            page.wait_for_timeout(500)
        assert "<script>" in page.locator("#who-name").inner_text()
        page.locator("#past .row .open").first.click()
        page.wait_for_selector("#card h2")
        assert "<img src=x" in page.locator("#card").inner_text()
        assert page.evaluate("globalThis.pwned") is None
        assert (
            page.locator("#list img, #wall img, #card img, #map img, #scenes img, #past img, script[src='x']").count()
            == 0
        )


@pytest.mark.slow
def test_names_that_could_carry_markup_are_refused_at_the_door(station: RunningStation, nodes: Nodes):
    """Cameras, zones, lines, clocks and directions are names, and a name holds no markup."""
    hostile: dict[str, Any] = {"zone": HOSTILE, "line": {"id": HOSTILE, "direction": "north", "crossed": 1},
                               "clock": HOSTILE, "parent": HOSTILE, "ended": HOSTILE}  # fmt: skip
    for number, (field, value) in enumerate(hostile.items(), start=1):
        nodes.say("node-7/alert", payload(number, 1, seq=number, **{field: value}))
    nodes.say("node-7/alert", payload(9, 1, camera=HOSTILE))
    nodes.say("node-7/about", about(cameras=[HOSTILE]))
    eventually(lambda: station.ask("health")[1]["refused"] == len(hostile) + 2)
    assert station.ask("live")[1]["alerts"] == []


@pytest.mark.slow
def test_the_card_shows_the_nodes_picture_and_whether_it_knows(
    browser, station: RunningStation, nodes: Nodes, tmp_path
):
    """The group is marked on the snapshot; after a deed the card says that the node knows."""
    grey = np.tile(np.linspace(20, 90, 161), (121, 1))
    grey[66:86, 66:101] = 230
    jpeg = cv2.imencode(".jpg", grey.astype(np.uint8))[1].tobytes()
    nodes.say("node-7/alert", payload(1, 1))
    nodes.say(f"node-7/cam/north/snapshot/{alert_id(1).lower()}", jpeg)
    eventually(lambda: station.ask(f"alerts/node-7/{alert_id(1)}")[1].get("has_snapshot"))
    station.ask(f"alerts/node-7/{alert_id(1)}/acknowledge", {"who": "Ada"})
    with page_of(browser, station) as page:
        until(page, "document.querySelectorAll('#list .row').length === 1")
        page.keyboard.press("j")
        page.wait_for_selector("#card:not([hidden]) svg.scene image")
        page.wait_for_selector("text=the node does not know yet")
        answer = {"id": 1, "command": "acknowledge", "outcome": "done"}
        nodes.say("node-7/reply/station", json.dumps(answer).encode())
        page.wait_for_selector("text=(the node knows)")
        page.wait_for_timeout(300)
        page.screenshot(path=str(tmp_path / "card.png"))
