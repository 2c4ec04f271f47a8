"""Our part in Locust's web UI: who may use it, and what its form may say."""

import socket
from argparse import Namespace
from typing import Any, Final

from flask import Response, has_request_context, jsonify, request
from gevent.pywsgi import WSGIServer
from locust import argument_parser
from locust.web import WebUI
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException

from loadkit.errors import LoadkitError
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.web.chat import install_chat
from loadkit.swarm.web.form import Form
from loadkit.swarm.web.same_origin import SameOrigin
from loadkit.swarm.web.server import Handler
from loadkit.swarm.web.starts import Starts

START: Final = "locust.swarm"  # what Flask knows Locust's own answer to the form by
CHANGE: Final = "locust.update_user"  # and to `/user`, which sets any attribute of a user class
LONGEST_FORM: Final = 1 << 20  # bytes; werkzeug would keep as many as come on the disk


def install_web(web_ui: WebUI, controller: RunController) -> None:
    """Offer the profiles in the form's own Profile field; refuse a start that cannot work.

    Whoever is not logged in, where that is asked for, and whoever comes from another site's page,
    is turned away before any of this.
    """
    environment = web_ui.environment
    options = environment.parsed_options
    assert isinstance(options, Namespace)
    app: Any = web_ui.app
    form = Form(options.profile, argument_parser.ui_extra_args_dict())
    web_ui.template_args["all_profiles"] = form.profiles
    locusts_start = app.view_functions[START]
    starts = Starts(environment, controller, form)

    def start() -> Response:
        try:
            with starts.one_at_a_time:
                return start_alone()
        except HTTPException as refusal:  # of a form; Locust would show and log a traceback
            return Response(f"{refusal}\n", status=refusal.code, content_type="text/plain")

    def start_alone() -> Response:
        try:
            said = starts.check(request.form)
        except LoadkitError as error:
            return jsonify({"success": False, "message": str(error)})
        checked = {"host": [said.host], "profile": [said.profile]}
        asked = {name: request.form.getlist(name) for name in form.offered if name in request.form}
        request.form = ImmutableMultiDict(asked | checked)
        answer: Response = locusts_start()
        environment.profile = said.name  # what the page shows
        return answer

    def on_test_stopping(**_: Any) -> None:
        if has_request_context():  # whoever ends the run does so from within a request
            controller.stopped_by("Stop in the web UI")

    def change() -> Response:
        text = "what users do, and where, is said by the profile: choose another one, or edit it\n"
        return Response(text, status=403, content_type="text/plain; charset=utf-8")

    WSGIServer.handler_class = Handler
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_FORM
    app.view_functions[CHANGE] = web_ui.auth_required_if_enabled(change)
    app.view_functions[START] = web_ui.auth_required_if_enabled(start)
    install_chat(web_ui, controller, starts)
    names = (web_ui.host, socket.gethostname())
    app.wsgi_app = SameOrigin(app.wsgi_app, options.web_host_display_name or "", names)
    environment.events.test_stopping.add_listener(on_test_stopping)
