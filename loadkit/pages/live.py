"""The page that is looked at while a run goes on; `assets/live.js` fills it, once a second."""

from typing import Final

from loadkit.pages.page import WINDOW, text

ASSETS: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "live.css": "text/css",
    "live.js": "text/javascript",
    "echarts.min.js": "text/javascript",
}
"""What the page fetches, by name, and its type."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a browser lets it do; charts set styles of their own."""

_BODY: Final = """
<header class="bar"><div><strong>loadkit</strong>
<nav aria-label="Sections"><a href="#now">Now</a><a href="#charts">Charts</a>
<a href="#wrong">Errors</a><a href="#runs">Past runs</a>
<a href="{locust}">Locust’s own page</a></nav>
<div class="tools">{window}
<button id="theme" type="button">Dark or light</button></div></div></header>
<main>
<p id="lost" class="notice bad" role="alert" hidden></p>
<section id="now"><h1 id="profile">No run yet</h1><p class="about" id="about"></p>
<div id="light" class="verdict" role="status"><p><b id="word"></b> <span id="says"></span></p>
<ul id="reasons"></ul></div>
<form id="start" class="controls" hidden><h2>Start a run</h2>
<label>Profile <select name="profile" required></select></label>
<p id="question" class="question"></p>
<label>Target <input name="host" size="34" autocomplete="off" spellcheck="false" required></label>
<label>Load, times the profile’s <input name="scale" inputmode="decimal" size="6" value="1"></label>
<label>Seed <input name="seed" inputmode="numeric" size="8" placeholder="the profile’s"></label>
<label>Time scale of what people do <input name="time_scale" inputmode="decimal" size="9"
 placeholder="the profile’s"></label>
<label><input type="checkbox" name="capacity" value="true"> search the capacity instead of the
 profile’s stages</label>
<button type="submit">Start</button><p class="said" role="status"></p></form>
<div id="under-way" class="controls" hidden>
<form data-do="stop"><button type="submit">Stop</button></form>
<form data-do="load" id="load-form"><label>Load, times the planned
 <input name="times" inputmode="decimal" size="5" value="1" required></label>
<button type="submit">Set</button><button type="submit" name="times" value="0">Pause</button>
<button type="submit" name="times" value="1">As planned</button></form>
<form data-do="storm"><label>Cut <input name="percent" inputmode="decimal" size="4" value="20"
 required> % of the sockets</label><button type="submit">Storm</button></form>
<form data-do="mark"><label>Mark this moment <input name="note" size="22" maxlength="200"
 placeholder="what happens now" required></label><button type="submit">Mark</button></form>
<p class="said" role="status"></p></div>
<div id="progress" hidden><div id="stages" role="img"></div><p id="left" class="question"></p></div>
<ul class="figures-row" id="tiles"></ul>
<div class="first"><div id="latencies"></div><div id="objectives"></div></div></section>
<div id="charts"></div>
<section id="wrong"><h2>Errors and violations</h2>
<p class="question">What did the server do that it should not have, or not do that it should?</p>
<div id="kinds"></div><div id="found" class="wide"></div></section>
<section id="runs"><h2>Past runs</h2>
<p class="question">How did it go before, and what has changed?</p>
<form id="compare" action="chat/compare" target="_blank">
<div id="past"></div><button type="submit" disabled>Compare the two</button></form></section>
<footer>The figures are those of the process that leads the run, a second or two after they were
measured. The charts are drawn by Apache ECharts (Apache License 2.0).</footer>
</main>
<noscript><p class="notice bad">This page needs JavaScript.</p></noscript>
"""


def live_page(locust: str) -> str:
    """Return the page as HTML.

    Args:
        locust: the address of Locust's own page, from this one.
    """
    scripts = "".join(
        f'<script src="chat/assets/{name}" defer></script>'
        for name in ("echarts.min.js", "page.js", "live.js")
    )
    styles = "".join(
        f'<link rel="stylesheet" href="chat/assets/{name}">' for name in ("page.css", "live.css")
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>loadkit</title><link rel="icon" href="data:,">{styles}{scripts}</head><body>'
        f"{_BODY.format(locust=text(locust), window=WINDOW)}</body></html>\n"
    )
