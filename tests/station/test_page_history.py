"""Ten thousand alerts in history, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_scene import measured, page_of, until
from station_scene import RunningStation, heard

from edge.delivery.brokers import Mosquitto
from edge.station.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.slow]

_ALERTS = 10_000
_SCROLL = """(pane) => new Promise((done) => {
    const gaps = []; let last = performance.now(), n = 0;
    const step = (t) => { gaps.push(t - last); last = t; pane.scrollBy(0, -240);
      if (++n < 120) requestAnimationFrame(step); else done(gaps.slice(1).sort((a, b) => a - b)); };
    requestAnimationFrame(step); })"""
_PLAIN = """<!doctype html><body style="margin:0"><div id="pane" style="height:100vh;overflow-y:auto;font:20px sans-serif">
    </div><script>document.getElementById('pane').innerHTML = '<p>plain text of one line</p>'.repeat(3000);
    document.getElementById('pane').scrollTo(0, 1e9);</script>"""


@pytest.fixture
def full(broker: Mosquitto, tmp_path: Path) -> Iterator[RunningStation]:
    """Give a station that has heard ten thousand alerts, all unattended."""
    store = Store(f"sqlite:///{tmp_path}/station.sqlite")
    for start in range(0, _ALERTS, 500):
        store.take([heard(n, 1, seq=n, utc_s=time.time() - 20_000 + n) for n in range(start, start + 500)])
    store.close()
    station = RunningStation(tmp_path, broker.port)
    station.start()
    yield station
    station.stop()


def scroll_ms(page: Any, pane: str) -> list[float]:
    """Scroll a pane upwards for 120 frames; give how long each took, sorted."""
    return page.locator(pane).evaluate(_SCROLL)


def test_the_first_paint_comes_within_a_second_and_a_half(browser, full: RunningStation):
    """The live list is there at once, short, and says how many more there are."""
    with page_of(browser, full) as page:
        start_s = time.monotonic()
        page.reload()
        page.wait_for_selector(".row")
        first_s = time.monotonic() - start_s
        painted_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        measured(f"{_ALERTS} alerts: first paint {painted_ms:.0f} ms, rows {1000 * first_s:.0f} ms after reload")
        assert page.locator("#list .row").count() == 200
        assert "9800 more" in page.locator("#more").inner_text()
        assert painted_ms < 1500


def test_the_ten_thousandth_alert_scrolls_like_plain_text(browser, full: RunningStation):
    """Scrolled to its end, the list holds every alert and only a few rows; a frame takes no more than a text's twice."""
    with page_of(browser, full) as page:
        page.keyboard.press("4")
        until(page, f"document.querySelector('#found').textContent === '{_ALERTS} alerts'")
        end = "document.querySelector('#past').lastChild?.lastChild?.dataset.key.endsWith('0000000000000')"
        deadline_s = time.monotonic() + 60
        while not page.evaluate(end):
            page.evaluate("document.querySelector('#view-history').scrollTo(0, 1e9)")
            page.wait_for_timeout(60)
            assert time.monotonic() < deadline_s
        assert page.locator("#past > div").count() == _ALERTS / 100
        until(page, "document.querySelectorAll('#past .row').length < 800")
        plain = page.context.new_page()
        plain.set_content(_PLAIN)
        taken = {"list": [], "text": []}
        for _ in range(3):
            page.bring_to_front()
            taken["list"].append(scroll_ms(page, "#view-history"))
            plain.bring_to_front()
            taken["text"].append(scroll_ms(plain, "#pane"))
        median = {name: sorted(one[59] for one in all_)[1] for name, all_ in taken.items()}
        late = {name: sorted(one[113] for one in all_)[1] for name, all_ in taken.items()}
        measured(f"scroll frame, list of {_ALERTS}: p50 {median['list']:.0f} ms, p95 {late['list']:.0f} ms; "
                 f"plain text: p50 {median['text']:.0f} ms, p95 {late['text']:.0f} ms")  # fmt: skip
        assert median["list"] < 2 * median["text"] + 17
        assert late["list"] < 2 * late["text"] + 34


def test_a_page_of_the_past_that_comes_back_is_the_same(browser, full: RunningStation):
    """Rows given back far from sight are there again, at the same height, when one scrolls up."""
    with page_of(browser, full) as page:
        page.keyboard.press("4")
        until(page, f"document.querySelector('#found').textContent === '{_ALERTS} alerts'")
        first = page.locator("#past .row").first.inner_text()
        for _ in range(10):
            page.evaluate("document.querySelector('#view-history').scrollTo(0, 1e9)")
            page.wait_for_timeout(100)
        until(page, "document.querySelector('#past').firstChild.childElementCount === 0")
        height = page.evaluate("document.querySelector('#view-history').scrollHeight")
        page.evaluate("document.querySelector('#view-history').scrollTo(0, 0)")
        until(page, "document.querySelector('#past').firstChild.childElementCount === 100")
        assert page.locator("#past .row").first.inner_text() == first
        assert abs(page.evaluate("document.querySelector('#view-history').scrollHeight") - height) < 4000
