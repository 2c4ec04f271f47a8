"""The pages in a real browser, which neither fetches nor complains about anything."""

import json
from collections.abc import Iterator

import pytest

from loadkit.compare.compare import compare
from loadkit.compare.stored_run import load_run
from loadkit.figures import Count, Phase
from loadkit.measure.recorder import Recorder
from loadkit.pages.comparison_page import write_comparison
from loadkit.pages.report import write_report
from loadkit.security.escaping import visible
from tests.integration.browser import Page, browser, needs_browser
from tests.pages.conftest import HOSTILE
from tests.pages.runs import Lived, live

pytestmark = needs_browser

DRAW = """(async () => {
  for (const place of document.querySelectorAll('.chart')) {
    place.scrollIntoView();
    const end = Date.now() + 20000;
    while (!place.querySelector('canvas') && Date.now() < end)
      await new Promise((done) => setTimeout(done, 10));
  }
  await new Promise((done) => setTimeout(done, 100));
})()"""
INK = """[...document.querySelectorAll('.chart')].map((place) => {
  const canvas = place.querySelector('canvas');
  if (!canvas) return [place.dataset.chart, 0];
  const ink = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let at = 0; at < ink.length; at += 28)  // every seventh point
    if (ink[at + 3]) seen.add(ink[at] << 16 | ink[at + 1] << 8 | ink[at + 2]);
  return [place.dataset.chart, seen.size];
})"""
"""Of each chart, how many colours it has: words, an axis and a curve have some."""

SEEN = """(said) => [...document.querySelectorAll('main *')].some((one) => {
  if (one.querySelector('section, table, ul, div') || !one.textContent.includes(said)) return false;
  const { top, bottom, left, right } = one.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth && bottom > top;
})"""
"""Whether something can be read on the screen as it stands."""

SHOWN = "[...document.querySelectorAll('#slow-turns tr[data-at]:not(.out)')]"


SAID = f"{HOSTILE} {'A' * 300}"
"""And a word that no line is long enough for."""


def storm(recorder: Recorder, second: int) -> None:
    """Half a minute into the run: 40 sockets cut, of which all are back after two seconds."""
    if second == 30:
        recorder.count(Count.DISCONNECTS_FORCED, 40)
    if second == 32:
        recorder.count(Count.DISCONNECTS_RECONNECTED, 40)
        for _ in range(40):
            recorder.sample(Phase.RECONNECT, None, 30.0, 32.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """One in which strangers said what they could."""
    folder = tmp_path_factory.mktemp("run")
    limits = [("response.p95", 100.0)]
    lost = frozenset({11, 40})
    return live(folder, 60, per_second=8, said=SAID, lost_at=lost, each=storm, limits=limits)


@pytest.fixture(scope="module")
def pages(run: Lived, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of a report and of a comparison."""
    other = live(tmp_path_factory.mktemp("other"), 60, per_second=8, said="A" * 2000)
    comparison = tmp_path_factory.mktemp("pages") / "comparison.html"
    write_comparison(compare(load_run(run.folder), load_run(other.folder)), comparison)
    return {"report": write_report(run.folder).as_uri(), "comparison": comparison.as_uri()}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def report(page: Page, pages: dict[str, str]) -> Page:
    """The report on a desk, with all of its charts: what is done to it is undone by who does it."""
    page.open(pages["report"])
    page.run(DRAW)
    return page


def check(page: Page, width: int) -> None:
    """Every chart is drawn, nothing is wider than the screen, nothing is complained about."""
    ink = page.run(INK)
    assert len(ink) >= 3
    assert [chart for chart, colours in ink if colours < 10] == []
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    assert page.complaints == []


def test_every_chart_of_a_report_is_drawn_on_a_desk(report: Page) -> None:
    check(report, 1400)
    heat = "[...loadkit.drawn.values()].find((one) => one.chart.kind === 'heat')"
    assert report.run(f"{heat}.plot.getOption().series[1].progressive") == 0  # whole, however large


@pytest.mark.parametrize(
    ("question", "link", "answer"),
    [
        ("did it pass?", None, "FAIL"),
        ("when did it get slow?", "Response", "slowest from"),
        ("which turn was slowest?", "Slowest turns", "{session}"),
        ("and what is its id?", "Slowest turns", "{correlation}"),
        ("did people come back after the storm?", "Disconnects", "40 came back"),
        ("can I believe it?", None, "Can I believe it? Yes"),
        ("and why?", "The load generator", "Was the generator in time"),
    ],
)
def test_a_newcomers_question_is_answered_a_click_away(
    report: Page, run: Lived, question: str, link: str | None, answer: str
) -> None:
    """What is asked first can be read on the screen, without scrolling."""
    del question
    slowest = max(run.ledger.slow, key=lambda turn: turn.took_ms)
    said = answer.format(session=visible(slowest.session), correlation=slowest.correlation_id)
    report.run("window.scrollTo(0, 0)")
    if link is not None:
        report.run(f"[...document.links].find((one) => one.textContent === '{link}').click()")
    report.until(f"({SEEN})({json.dumps(said)})", seconds=10)


def test_one_window_of_time_is_that_of_all(report: Page) -> None:
    """Zoomed in one chart: the others follow, and the slow turns of then are left."""
    everyone = report.run(f"{SHOWN}.length")
    zoom = "{ type: 'dataZoom', dataZoomIndex: 0, startValue: 20, endValue: 30 }"
    report.run(f"[...loadkit.drawn.values()][0].plot.dispatchAction({zoom})")
    report.until("document.getElementById('window').value === '0:20–0:30'")
    times = report.run(f"{SHOWN}.map((row) => Number(row.dataset.at))")
    assert 0 < len(times) < everyone
    assert all(20 <= at < 30 for at in times)
    assert windows(report) == {(20, 30)}
    report.run("document.getElementById('whole').click()")
    report.until(f"{SHOWN}.length === {everyone}")


def windows(page: Page) -> set[tuple[int, int]]:
    found = page.run(
        "[...loadkit.drawn.values()].map((one) => (one.plot.getOption().dataZoom ?? [])[0])"
        ".filter(Boolean).map((zoom) => [zoom.startValue, zoom.endValue])"
    )
    assert len(found) > 3
    return {tuple(each) for each in found}


def test_the_window_can_be_written(report: Page) -> None:
    """Who has no mouse; what makes no sense is refused and changes nothing."""
    write = (
        "((said) => { const box = document.getElementById('window'); box.value = said; "
        "box.dispatchEvent(new Event('change')); return box.validationMessage; })"
    )
    assert report.run(f"{write}('0:10 - 25')") == ""
    assert windows(report) == {(10, 25)}
    for said in ("soon", "30-20", "2:00-3:00", "1-2-3"):
        assert "Write it as" in report.run(f"{write}('{said}')")
    assert windows(report) == {(10, 25)}
    assert report.run(f"{write}('')") == ""
    assert report.run("document.getElementById('whole').hidden")


def test_a_line_is_hidden_by_its_button_with_what_belongs_to_it(report: Page) -> None:
    """A key does what a click does; the shade of what is hidden is not there either."""
    before = dict(report.run(INK))["response-time"]
    press = "document.querySelector('.chart[data-chart=response-time] .legend button')"
    report.run(f"{press}.click()")
    assert report.run(f"{press}.getAttribute('aria-pressed')") == "false"
    assert dict(report.run(INK))["response-time"] < before
    report.run(f"{press}.click()")
    assert report.run(f"{press}.getAttribute('aria-pressed')") == "true"


def test_a_search_finds_what_is_folded_up(report: Page, run: Lived) -> None:
    """A correlation id, say, of which somebody has a log."""
    slow = list(run.ledger.slow)[20]
    search = (
        "((said) => { const box = document.getElementById('search'); box.value = said; "
        "box.dispatchEvent(new Event('input')); "
        "box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' })); })"
    )
    report.run(f"{search}('{slow.correlation_id}')")
    assert report.run("document.querySelector('.now').textContent").count(slow.correlation_id) == 1
    assert report.run("document.getElementById('found').textContent") == "1 of 1"
    report.run(f"{search}('')")


def test_the_figures_of_a_chart_unfold_and_are_saved(report: Page) -> None:
    """As many rows as it is drawn from; a cell is nothing that a spreadsheet would reckon."""
    report.run("document.querySelector('details.figures[data-chart=load] summary').click()")
    report.until(
        "document.querySelectorAll('details.figures[data-chart=load] tbody tr').length === 60"
    )
    csv = report.run(
        "loadkit.csv({ columns: [{ label: 'a', values: ['=1+1', 'x,\"y\"', -2.5, null] }] })"
    )
    assert csv == 'a\r\n\'=1+1\r\n"x,""y"""\r\n-2.5\r\n\r\n'


def test_on_paper_it_is_light_and_nothing_is_cut(report: Page) -> None:
    """Printed from a dark screen, on a sheet that is narrower; the screen is as it was."""
    report.run("document.getElementById('theme').click()")
    report.run("window.dispatchEvent(new Event('beforeprint'))")
    report.ask("Emulation.setEmulatedMedia", media="print")
    report.ask(
        "Emulation.setDeviceMetricsOverride",
        width=720,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    try:
        report.until("[...document.querySelectorAll('.paper')].every((one) => one.complete)")
        charts = report.run("document.querySelectorAll('.chart').length")
        assert report.run("document.querySelectorAll('.paper').length") == charts
        assert report.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert report.run("document.documentElement.scrollWidth") <= 720
        assert report.run("document.querySelector('td.id').clientWidth") >= 140  # has an id
        assert report.run(
            "[...document.querySelectorAll('button:not(.legend *), nav, .plot')]"
            ".every((one) => one.getClientRects().length === 0)"
        )
    finally:
        report.ask("Emulation.setEmulatedMedia", media="")
        report.ask(
            "Emulation.setDeviceMetricsOverride",
            width=1400,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        report.run("window.dispatchEvent(new Event('afterprint'))")
    assert report.run("document.querySelectorAll('.paper').length") == 0
    assert report.run("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_every_chart_is_drawn_on_a_phone(page: Page, pages: dict[str, str], name: str) -> None:
    """In the dark, and with no need to scroll sideways."""
    page.complaints.clear()
    page.open(pages[name], width=390, dark=True)
    page.run(DRAW)
    check(page, 390)
