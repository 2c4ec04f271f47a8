"""Our part in Locust's web UI: the profiles in its form, and mistakes told there."""

from argparse import Namespace
from typing import Any, Final

from flask import Response, has_request_context, jsonify, request
from locust.web import WebUI

from loadkit.errors import LoadkitError
from loadkit.plan.profile import profile_folders, profile_names
from loadkit.swarm.conductor import Conductor

__all__ = ["install_web"]

LAST_RUN_ENDS: Final = 5.0  # seconds; its state says "stopped" before all of it is handed over


def install_web(web_ui: WebUI, conductor: Conductor) -> None:
    """Offer the profiles in the form's own Profile field; refuse a start that cannot work."""
    web_ui.template_args["all_profiles"] = [name for name, _ in profile_names(profile_folders())]
    options = web_ui.environment.parsed_options
    assert isinstance(options, Namespace)

    def check_form() -> Response | None:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        if not conductor.wait_until_idle(LAST_RUN_ENDS):
            message = "a run is under way: stop it before you start another"
            return jsonify({"success": False, "message": message})
        before = options.profile, options.capacity
        options.profile = request.form.get("profile") or options.profile
        # Locust reads it only after this; a profile that cannot be searched is told here.
        options.capacity = request.form.get("capacity", str(options.capacity)).lower() == "true"
        try:
            conductor.check(request.form.get("host") or web_ui.environment.host)
        except LoadkitError as error:
            options.profile, options.capacity = before
            return jsonify({"success": False, "message": str(error)})
        return None

    def on_test_stopping(**_: Any) -> None:
        if has_request_context():  # whoever ends the run does so from within a request
            conductor.stopped_by("Stop in the web UI")

    app: Any = web_ui.app
    app.before_request(check_form)
    web_ui.environment.events.test_stopping.add_listener(on_test_stopping)
