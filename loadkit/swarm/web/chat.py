"""`/chat`, the live page, in Locust's web UI."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from locust.web import WebUI

from loadkit.pages.live import ASSETS, POLICY, live_page
from loadkit.pages.page import asset
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.web.now import Now

__all__ = ["install_chat"]

INDEX = "locust.index"  # what Flask knows Locust's own page by
View = Callable[..., Any]


def install_chat(web_ui: WebUI, controller: RunController) -> None:
    """Serve the live page, and open on it: Locust's own page is at `/locust`.

    Whoever is not logged in, where that is asked for, is sent to the login by each of its routes.
    """
    app: Any = web_ui.app
    options: Any = web_ui.environment.parsed_options
    chat = Blueprint("chat", __name__, url_prefix=options.web_base_path or None)
    now = Now(controller, web_ui.environment.runner)

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

    locusts = app.view_functions[INDEX]
    chat.add_url_rule("/locust", "locust", locusts)
    app.view_functions[INDEX] = web_ui.auth_required_if_enabled(
        lambda: redirect(url_for("chat.page"))
    )
    app.register_blueprint(chat)
    web_ui.template_args["extended_csv_files"] = [
        {"href": "./chat", "title": "The live page, past runs and their files"}
    ]


def _fresh(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
