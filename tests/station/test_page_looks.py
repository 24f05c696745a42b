"""How the page looks and reads: pictures of every view, judged by axe-core, and the map."""

from pathlib import Path
from typing import Any

import pytest
from page_scene import a_night, lively, page_of, position, shoot, until
from station_scene import Nodes, RunningStation, alert_id, eventually, payload

from edge.delivery.brokers import Mosquitto

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.slow]

_RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"


def faults(page: Any) -> list[tuple[str, str, str]]:
    """Let axe-core judge what is to be seen, and give what is serious."""
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python, of the dev extra")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    return [
        (one["id"], one["nodes"][0]["html"][:120], one["nodes"][0]["failureSummary"][-160:])
        for one in page.evaluate(f"axe.run({_RULES})")["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def drawn(page: Any) -> None:
    """Wait until the map has drawn itself."""
    until(page, "document.querySelector('#map').dataset.ready === 'yes'", 60.0)
    until(page, "!edgeStation.place.map.isMoving() && edgeStation.place.map.areTilesLoaded()", 60.0)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_view_can_be_read_and_named(browser, station: RunningStation, nodes: Nodes, theme: str):
    """axe-core finds no serious fault in any view at desk, wall and phone size, and pictures of each are kept."""
    a_night(nodes)
    found = {}
    with page_of(browser, station, color_scheme=theme, bypass_csp=True) as page:
        until(page, "document.querySelectorAll('#list .row').length === 4")
        for size, (width, height) in {"desk": (1920, 1080), "wall": (3840, 2160), "phone": (390, 844)}.items():
            page.set_viewport_size({"width": width, "height": height})
            for view, keys in {"live": ["1"], "card": ["1", "j", "j"], "map": ["Escape", "2"], "cameras": ["3"],
                               "history": ["4"], "keys": ["1", "?"], "why": ["Escape", "d"]}.items():  # fmt: skip
                for key in keys:
                    page.keyboard.press(key)
                    page.wait_for_timeout(250)
                if view in ("live", "card", "map") and not (size == "phone" and view != "map"):
                    drawn(page)
                shoot(page, f"{view}-{size}-{theme}")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (view, size)
                found[view, size] = faults(page)
            page.keyboard.press("Escape")
            page.keyboard.press("Escape")
    assert not any(found.values()), {place: told for place, told in found.items() if told}


@pytest.mark.parametrize("kind", ["vector", "picture"])
def test_the_map_stands_on_the_operators_own_base(browser, broker: Mosquitto, nodes: Nodes, tmp_path: Path, kind: str):
    """Tiles come out of the .pmtiles file in ranges; names are written, groups stand above; no other host is asked."""
    pytest.importorskip("pmtiles", reason="needs pmtiles, of the dev extra")
    from basemap_scene import picture_map, vector_map

    archive = {"vector": vector_map, "picture": picture_map}[kind](tmp_path / "region.pmtiles")
    station = RunningStation(tmp_path, broker.port, web={"map_file": str(archive)})
    station.start()
    try:
        a_night(nodes)
        with page_of(browser, station) as page:
            until(page, "document.querySelectorAll('#list .row').length === 4")
            page.keyboard.press("2")
            drawn(page)
            shoot(page, f"map-{kind}-base")
            shown = page.evaluate("edgeStation.place.map.queryRenderedFeatures().map((one) => one.layer.id)")
            assert {"sectors", "errors", "trails"} <= set(shown)
            if kind == "vector":
                assert {"earth-areas", "water-areas", "water-lines", "roads-lines", "boundaries-lines"} <= set(shown)
                assert "places-words" in shown
            assert page.locator("#map-said").inner_text() == "© Made up"
            assert page.locator("#map-word").inner_text() == ""
            page.keyboard.press("1")
            page.evaluate("document.querySelector('#theme').click()")
            drawn(page)
            shoot(page, f"live-{kind}-base-light")
    finally:
        station.stop()


def test_a_group_is_on_the_map_where_it_is_and_goes(browser, station: RunningStation, nodes: Nodes):
    """Number, arrow, ring and trail stand at the place that the node told, move with it, and go when it is over."""
    a_night(nodes)
    with page_of(browser, station) as page:
        drawn(page)
        key = f"pass-east/{alert_id(1)}"
        pin = page.locator(f'.pin[data-key="{key}"]')
        assert pin.inner_text() == "9"
        label = "9 people at pass-east / north, heading north, give or take 25 m"
        assert pin.get_attribute("aria-label") == label
        assert page.evaluate(f"edgeStation.state.trails.get('{key}').length") == 4
        off_px = """(place) => { const way = document.querySelector('.group.urgent .way').getBoundingClientRect();
            const map = document.querySelector('#map').getBoundingClientRect();
            const at = edgeStation.place.map.project(place);
            return Math.hypot(way.x + way.width / 2 - map.x - at.x, way.y + way.height / 2 - map.y - at.y); }"""
        assert page.evaluate(off_px, [-111.9616, 49.0016]) < 3
        turned = page.evaluate("document.querySelector('.group.urgent .way').style.transform")
        assert turned == "rotate(352deg)"
        nodes.say("pass-east/alert", payload(1, 5, node="pass-east", seq=5, priority="urgent", count=9,
                                             position=position(49.0019, -111.9620)))  # fmt: skip
        until(page, f"edgeStation.state.trails.get('{key}').length === 5")
        until(page, "document.querySelector('.group.urgent .way').classList.contains('unknown')")
        assert page.evaluate(off_px, [-111.9620, 49.0019]) < 3
        pin.click()
        page.wait_for_selector("#card h2")
        assert "49.00190, -111.96200 ± 25 m" in page.locator("#card").inner_text()
        station.ask(f"alerts/{key}/acknowledge", {"who": "Ada"})
        nodes.say("pass-east/alert", payload(1, 6, node="pass-east", seq=6, phase="end", ended="left"))
        until(page, f"document.querySelector('.pin[data-key=\"{key}\"]') === null")
        assert page.evaluate(f"edgeStation.state.trails.has('{key}')") is False


def test_a_page_opened_later_knows_the_way_a_group_came(browser, station: RunningStation, nodes: Nodes):
    """The trail is the station's memory, not the page's."""
    a_night(nodes)
    eventually(lambda: station.ask("trails")[1])
    with page_of(browser, station) as page:
        until(page, f"edgeStation.state.trails.get('pass-east/{alert_id(1)}')?.length === 4")


def test_an_idle_map_draws_nothing(browser, station: RunningStation, nodes: Nodes):
    """Words from nodes that change nothing on the map cost no drawing: a desk may have no graphics card."""
    a_night(nodes)
    with page_of(browser, station) as page:
        drawn(page)
        page.wait_for_timeout(1500)
        page.evaluate("() => { globalThis.drawings = 0; edgeStation.place.map.on('render', () => drawings++); }")
        for _ in range(5):
            nodes.say("pass-east/health", lively())
            page.wait_for_timeout(400)
        assert page.evaluate("drawings") == 0


def test_without_webgl_the_list_and_the_pictures_say_it_all(browser, station: RunningStation, nodes: Nodes):
    """A browser that cannot draw a map says so in words, and shows every group in its camera's picture instead."""
    a_night(nodes)
    with page_of(browser, station) as page:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        page.reload()
        until(page, "document.querySelectorAll('#list .row').length === 4")
        until(page, "document.querySelectorAll('#scenes figure').length === 3")
        page.keyboard.press("2")
        word = page.locator("#map-none")
        until(page, "document.querySelector('#map-none').textContent.includes('no WebGL 2')")
        box = word.bounding_box()
        assert word.is_visible()
        assert box["y"] + box["height"] < page.viewport_size["height"]
        assert page.locator("#map canvas").count() == 0
        shoot(page, "map-without-webgl")
        page.locator("#scenes .hull").first.click()
        page.wait_for_selector("#card h2")
