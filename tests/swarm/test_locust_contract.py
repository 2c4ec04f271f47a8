"""What loadkit reaches into Locust for that Locust promises nobody: all of it, and its shape.

Each row fails as soon as a version of Locust has it otherwise: read there what has changed, mend
`loadkit.swarm` where that matters, and write the row anew. A Locust of its own is looked at, in a
process where nothing of it was replaced yet.
"""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SWARM = Path(__file__).parents[2] / "loadkit" / "swarm"

WRITTEN_ANEW = {
    "locust.dispatch:UsersDispatcher._prepare_rebalance": "13bac1e73a58",
    "locust.dispatch:UsersDispatcher.add_worker": "488d8a8075f2",
    "locust.dispatch:UsersDispatcher.remove_worker": "015b0ce4cb82",
    "locust.event:EventHook.fire": "16009a2bab67",
    "locust.rpc.zmqrpc:BaseSocket.__init__": "8cdff4041db3",
    "locust.rpc.zmqrpc:BaseSocket.recv_from_client": "197870c25dfb",
    "locust.rpc.zmqrpc:Client.__init__": "2db21124609d",
    "locust.rpc.zmqrpc:Server.__init__": "b8d35212ec67",
    "locust.runners:MasterRunner.check_stopped": "29faf94cb6db",
    "locust.runners:MasterRunner.handle_message": "34fa383dbd37",
    "locust.runners:MasterRunner.heartbeat_worker": "2ddc75bd907d",
    "locust.runners:MasterRunner.quit": "30f17233a4ab",
    "locust.runners:MasterRunner.worker_count": "3d74cb1149db",
    "locust.stats:StatsEntry.extend": "b99afb69e273",
    "locust.stats:StatsEntry.total_rps": "2d0d7fc662b5",
}
"""What has another body here, or is built upon as it stands → the fingerprint of its source."""

SIGNATURES = {
    "locust.argument_parser:default_args_dict": "()",
    "locust.argument_parser:get_empty_argument_parser": (
        "(add_help=True, default_config_files=('~/.locust.conf', 'locust.conf', 'pyproject.toml'))"
    ),
    "locust.argument_parser:get_parser": (
        "(default_config_files=('~/.locust.conf', 'locust.conf', 'pyproject.toml'))"
    ),
    "locust.argument_parser:ui_extra_args_dict": "(args=None)",
    "locust.dispatch:UsersDispatcher.__init__": "(self, worker_nodes, user_classes)",
    "locust.main:input_listener": "(key_to_func_map)",
    "locust.rpc.zmqrpc:BaseSocket.ipv4_only": "(self, host, port)",
    "locust.rpc.protocol:Message.__init__": "(self, message_type, data, node_id)",
    "locust.runners:MasterRunner.get_worker_index": "(self, client_id)",
    "locust.runners:MasterRunner.start": (
        "(self, user_count, spawn_rate, wait=False, user_classes=None)"
    ),
    "locust.runners:MasterRunner.stop": "(self, send_stop_to_client=True)",
    "locust.runners:Runner.register_message": "(self, msg_type, listener, concurrent=False)",
    "locust.runners:Runner.update_state": "(self, new_state)",
    "locust.runners:WorkerRunner._send_stats": "(self)",
    "locust.shape:LoadTestShape.reset_time": "(self)",
    "locust.stats:RequestStats.get": "(self, name, method)",
    "locust.stats:StatsEntry.__init__": (
        "(self, stats, name, method, use_response_times_cache=False)"
    ),
    "locust.stats:StatsError.__init__": (
        "(self, method, name, error, occurrences=0, first_seen=None, last_seen=None)"
    ),
    "locust.stats:bucket_response_time": "(response_time)",
    "locust.web:WebUI.auth_required_if_enabled": "(self, view_func)",
}
"""What is called or wrapped → how it is called."""

ATTRIBUTES = {
    "locust.dispatch:UsersDispatcher": (
        "_active_users _original_user_classes _rebalance _try_dispatch_fixed _users_on_workers"
        " _worker_node_generator _worker_nodes"
    ),
    "locust.env:Environment": "dispatcher_class process_exit_code worker_logs",
    "locust.event:EventHook": "_handlers",
    "locust.rpc.protocol:Message": "data node_id type",
    "locust.rpc.zmqrpc:Server": "port send_to_client socket",
    "locust.runners:MasterRunner": (
        "_users_dispatcher clients greenlet server shape_greenlet shape_last_tick target_user_count"
    ),
    "locust.runners:WorkerNode": "heartbeat id state",
    "locust.runners:WorkerNodes": "all ready running spawning",
    "locust.runners:WorkerRunner": "client_id worker_index",
    "locust.shape:LoadTestShape": "start_time",
    "locust.stats:RequestStats": ("entries errors history last_request_timestamp start_time total"),
    "locust.stats:StatsEntry": (
        "last_request_timestamp max_response_time min_response_time num_fail_per_sec num_failures"
        " num_reqs_per_sec num_requests response_times response_times_cache stats"
        " total_fail_per_sec total_response_time use_response_times_cache"
    ),
    "locust.stats:StatsError": "first_seen last_seen occurrences",
    "locust.user.users:User": "_greenlet _group _state _taskset_instance",
    "locust.web:WebUI": "app template_args",
}
"""A class of Locust's → what its objects have that is read or written here."""

SAID = {
    "locust.log": "unhandled_greenlet_exception = False",
    "locust.runners": (
        "import inspect",
        "import time",
        "inspect.stack()",
        "last_heartbeat_timestamp < time.time()",
        'os.getenv("LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP")',
        "rpc.Client(",
        "rpc.Server(",
        "user_error.add_listener(",
    ),
    "locust.main": ("input_listener(", "log.unhandled_greenlet_exception"),
    "locust.user.task": "logger = logging.getLogger(__name__)",
    "locust.web": ('"locust",', "def swarm(", "def update_user("),
}
"""A module of Locust's → words of its source that something replaced here hangs on."""

OTHERS = {"_actions", "_close", "_exit", "_failed", "_getframe", "_replace", "_unmade"}
"""Private names in `loadkit.swarm` of other objects than Locust's: argparse's, os' and our own."""

LOOK = """
import ast, hashlib, importlib, inspect, json, sys, textwrap

def part(path):
    module, _, rest = path.partition(":")
    found = importlib.import_module(module)
    for name in filter(None, rest.split(".")):
        look = inspect.getattr_static if inspect.isclass(found) else getattr
        found = look(found, name)
    return found.fget if isinstance(found, property) else found

def source(path):
    return textwrap.dedent(inspect.getsource(inspect.unwrap(part(path))))

def signature(path):
    bare = inspect.Parameter.empty
    told = inspect.signature(part(path))
    parameters = [each.replace(annotation=bare) for each in told.parameters.values()]
    return str(told.replace(parameters=parameters, return_annotation=inspect.Signature.empty))

def attributes(path):
    names = set()
    for cls in part(path).__mro__:
        if not cls.__module__.startswith("locust"):
            continue
        names |= set(vars(cls)) | set(vars(cls).get("__annotations__", ()))
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    names.add(node.attr)
    return " ".join(sorted(names))

def fingerprint(path):
    return hashlib.sha256(source(path).encode()).hexdigest()[:12]

def looked(how, path):
    try:
        return how(path)
    except (AttributeError, ImportError) as error:
        return f"is not there: {error}"

asked = json.load(sys.stdin)
ways = {"source": fingerprint, "signature": signature, "attributes": attributes, "text": source}
print(json.dumps({kind: {p: looked(ways[kind], p) for p in asked[kind]} for kind in ways}))
"""


@cache
def locust() -> dict[str, dict[str, str]]:
    """What a Locust that nobody has touched looks like."""
    asked = {
        "source": [*WRITTEN_ANEW],
        "signature": [*SIGNATURES],
        "attributes": [*ATTRIBUTES],
        "text": [*SAID],
    }
    looked = subprocess.run(
        [sys.executable, "-c", LOOK],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not looked.returncode, looked.stderr
    found: dict[str, dict[str, str]] = json.loads(looked.stdout)
    return found


def test_what_is_written_anew_is_still_what_it_was_written_after() -> None:
    """A body that has changed may do something that ours should do as well."""
    assert locust()["source"] == WRITTEN_ANEW


def test_what_is_called_takes_what_it_took() -> None:
    """In the same order, by the same names, with the same defaults."""
    assert locust()["signature"] == SIGNATURES


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_what_is_read_and_written_is_there(path: str) -> None:
    """An attribute that is renamed would be written for nobody, without an error."""
    assert set(ATTRIBUTES[path].split()) - set(locust()["attributes"][path].split()) == set()


@pytest.mark.parametrize("path", SAID)
def test_what_is_replaced_is_looked_up_where_it_is_put(path: str) -> None:
    """A module that no longer asks there would go its own way."""
    said = SAID[path] if isinstance(SAID[path], tuple) else (SAID[path],)
    assert [words for words in said if words not in locust()["text"][path]] == []


def test_every_private_part_that_is_reached_into_stands_here() -> None:
    """Of another object: what is private to a class of ours begins with `self`."""
    ours = {"self", "cls", "super"}
    known = OTHERS | {name for row in ATTRIBUTES.values() for name in row.split()}
    known |= {path.rpartition(".")[2] for path in (*WRITTEN_ANEW, *SIGNATURES)}
    found = {
        (path.name, node.attr)
        for path in SWARM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ours)
    }
    assert {(name, attr) for name, attr in found if attr not in known} == set()
