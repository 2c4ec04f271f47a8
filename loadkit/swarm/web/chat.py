"""`/chat`, the live page, in Locust's web UI."""

from collections.abc import Callable
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final

import gevent
from flask import Blueprint, Response, abort, jsonify, redirect, request, url_for
from locust.web import WebUI
from werkzeug.exceptions import HTTPException

from loadkit.errors import LoadkitError, UsageError
from loadkit.pages.live import ASSETS, POLICY, live_page
from loadkit.pages.page import asset
from loadkit.security.textfile import clipped
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.web.by_hand import ByHand
from loadkit.swarm.web.now import Now
from loadkit.swarm.web.past_runs import PastRuns
from loadkit.swarm.web.starts import Starts
from loadkit.swarm.web.tabs import LAST_RUN, install_tabs

INDEX = "locust.index"  # what Flask knows Locust's own page by
LEFT_OUT: Final = """<style>
.MuiFormControl-root:has(:is([name=userCount],[name=spawnRate],[name=runTime]):disabled) {
  display: none;
}
.MuiAppBar-root button:disabled { display: none; }</style>"""
"""The fields and the Edit of Locust's page that do nothing: the profile says all that."""
View = Callable[..., Any]


def install_chat(web_ui: WebUI, controller: RunController, starts: Starts) -> None:
    """Serve the live page, and open on it: Locust's own page is at `/locust`.

    Whoever is not logged in, where that is asked for, is sent to the login by each of its routes.
    """
    app: Any = web_ui.app
    options: Any = web_ui.environment.parsed_options
    chat = Blueprint("chat", __name__, url_prefix=options.web_base_path or None)
    environment: Any = web_ui.environment
    now, by_hand = Now(controller, environment.runner), ByHand(controller, environment.runner)

    def route(path: str, method: str = "GET") -> Callable[[View], View]:
        return lambda view: chat.route(path, methods=[method])(
            web_ui.auth_required_if_enabled(view)
        )

    @route("/chat")
    def page() -> Response:
        answer = Response(live_page("locust"), content_type="text/html; charset=utf-8")
        answer.headers["Content-Security-Policy"] = POLICY
        return _fresh(answer)

    @route("/chat/now")
    def figures() -> Response:
        since = request.args.get("since", 0, type=int)
        return _fresh(Response(now.json(since), content_type="application/json"))

    @route("/chat/assets/<name>")
    def of_the_page(name: str) -> Any:
        if name not in ASSETS:
            abort(404)
        answer = Response(asset(name), content_type=f"{ASSETS[name]}; charset=utf-8")
        answer.headers["Cache-Control"] = "no-cache"  # asked for again, and told if it is the same
        answer.add_etag()
        return answer.make_conditional(request)

    @route("/chat/setup")
    def setup() -> Response:
        options = environment.parsed_options
        found = {
            "profiles": [{"name": name, "question": asks} for name, asks in starts.form.questions],
            "profile": environment.profile or starts.form.first,
            "host": environment.host or "",
            "capacity": bool(options and options.capacity),
            "once": starts.once,
        }
        return _fresh(jsonify(found))

    @route("/chat/start", "POST")
    def start() -> Response:
        return _done(lambda: starts.begin(request.form))

    @route("/chat/stop", "POST")
    def stop() -> Response:
        def end() -> str:
            if starts.call_off():
                return "the start is called off"
            if controller.stage != "under way":
                raise UsageError("no run is under way")
            controller.stopped_by("Stop on the live page")
            gevent.spawn(controller.stop)
            return "stopping: people leave, and the results are written"

        return _done(end)

    @route("/chat/storm", "POST")
    def storm() -> Response:
        return _done(lambda: by_hand.storm(_number("percent")))

    @route("/chat/load", "POST")
    def load() -> Response:
        return _done(lambda: by_hand.load(_number("times")))

    @route("/chat/mark", "POST")
    def mark() -> Response:
        return _done(lambda: by_hand.mark(request.form.get("note", "")))

    past = PastRuns(
        Path(environment.parsed_options.results_parent),
        lambda: controller.stage in ("under way", "ending"),
    )

    @route("/chat/runs")
    def runs() -> Response:
        return _fresh(past.list())

    @route("/chat/runs/<folder>/<name>")
    def file(folder: str, name: str) -> Any:
        return past.file(folder, name)

    @route(f"/{LAST_RUN}/<name>")
    def of_the_last(name: str) -> Any:
        run = controller.run
        return past.file_of_last(None if run is None else run.folder.path.name, name)

    @route("/chat/compare")
    def compared() -> Response:
        return _fresh(past.compared())

    locusts = app.view_functions[INDEX]

    @route("/locust")
    def locust() -> Any:
        shown = locusts()
        return shown.replace("</head>", f"{LEFT_OUT}</head>") if isinstance(shown, str) else shown

    app.view_functions[INDEX] = web_ui.auth_required_if_enabled(
        lambda: redirect(url_for("chat.page"))
    )
    app.register_blueprint(chat)
    install_tabs(web_ui, controller, now)


def _done(do: Callable[[], object]) -> Response:
    """Do something, and say what came of it: 400 with the reason where it cannot be done."""
    try:
        told, status = do() or "", 200
    except LoadkitError as error:
        told, status = str(error), 400
    except HTTPException as refusal:  # of a form that is too long, say
        told, status = str(refusal.description), refusal.code or 400
    answer = jsonify({"success": status == 200, "message": told})
    answer.status_code = status
    return _fresh(answer)


def _number(name: str) -> float:
    text = request.form.get(name, "")
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise UsageError(f"{name} is a number, not {clipped(text)!r}")
    return number


def _fresh(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
