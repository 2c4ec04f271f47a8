"""The pages in a real browser, which neither fetches nor complains about anything."""

from collections.abc import Iterator

import pytest

from loadkit.compare.compare import compare
from loadkit.compare.stored_run import load_run
from loadkit.pages.comparison_page import write_comparison
from loadkit.pages.report import write_report
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

SHOWN = "[...document.querySelectorAll('#slow-turns tr[data-at]:not(.out)')]"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """One in which strangers said what they could."""
    folder = tmp_path_factory.mktemp("run")
    return live(folder, 60, per_second=8, said=HOSTILE, lost_at=frozenset({11, 40}))


@pytest.fixture(scope="module")
def pages(run: Lived, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of a report and of a comparison."""
    other = live(tmp_path_factory.mktemp("other"), 60, per_second=8, said=HOSTILE)
    comparison = tmp_path_factory.mktemp("pages") / "comparison.html"
    write_comparison(compare(load_run(run.folder), load_run(other.folder)), comparison)
    return {"report": write_report(run.folder).as_uri(), "comparison": comparison.as_uri()}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("report", 1400, False), ("report", 390, True), ("comparison", 390, True)],
)
def test_every_chart_is_drawn_and_nothing_is_complained_about(
    page: Page, pages: dict[str, str], name: str, width: int, dark: bool
) -> None:
    """On a desk and on a phone, which has no need to scroll sideways."""
    page.complaints.clear()
    page.open(pages[name], width=width, dark=dark)
    page.run(DRAW)
    ink = page.run(INK)
    assert len(ink) >= 3
    assert [chart for chart, colours in ink if colours < 10] == []
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    assert page.complaints == []


def test_one_window_of_time_is_that_of_all(page: Page, pages: dict[str, str]) -> None:
    """Zoomed in one chart: the others follow, and the slow turns of then are left."""
    page.open(pages["report"])
    page.run(DRAW)
    everyone = page.run(f"{SHOWN}.length")
    zoom = "{ type: 'dataZoom', dataZoomIndex: 0, startValue: 20, endValue: 30 }"
    page.run(f"[...loadkit.drawn.values()][0].plot.dispatchAction({zoom})")
    page.until("document.getElementById('window').textContent === '0:20–0:30'")
    times = page.run(f"{SHOWN}.map((row) => Number(row.dataset.at))")
    assert 0 < len(times) < everyone
    assert all(20 <= at < 30 for at in times)
    windows = page.run(
        "[...loadkit.drawn.values()].map((one) => (one.plot.getOption().dataZoom ?? [])[0])"
        ".filter(Boolean).map((zoom) => [zoom.startValue, zoom.endValue])"
    )
    assert len(windows) > 3
    assert {tuple(window) for window in windows} == {(20, 30)}
    page.run("document.getElementById('whole').click()")
    page.until(f"{SHOWN}.length === {everyone}")


def test_a_search_finds_what_is_folded_up(page: Page, pages: dict[str, str], run: Lived) -> None:
    """A correlation id, say, of which somebody has a log."""
    slow = list(run.ledger.slow)[20]
    page.open(pages["report"])
    page.run(
        f"(() => {{ const box = document.getElementById('search'); box.value = "
        f"'{slow.correlation_id}'; box.dispatchEvent(new Event('input')); "
        "box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' })); })()"
    )
    assert page.run("document.querySelector('.now').textContent").count(slow.correlation_id) == 1
    assert page.run("document.getElementById('found').textContent") == "1 of 1"


def test_the_figures_of_a_chart_unfold_and_are_saved(page: Page, pages: dict[str, str]) -> None:
    """As many rows as it is drawn from; a cell is nothing that a spreadsheet would reckon."""
    page.open(pages["report"])
    page.run("document.querySelector('details.figures[data-chart=load] summary').click()")
    page.until(
        "document.querySelectorAll('details.figures[data-chart=load] tbody tr').length === 60"
    )
    csv = page.run(
        "loadkit.csv({ columns: [{ label: 'a', values: ['=1+1', 'x,\"y\"', -2.5, null] }] })"
    )
    assert csv == 'a\r\n\'=1+1\r\n"x,""y"""\r\n-2.5\r\n\r\n'


def test_dark_or_light_is_a_click_away(page: Page, pages: dict[str, str]) -> None:
    page.open(pages["report"], dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.run(ground)
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) != before
