"""What stands in `examples/` can be taken away: it is read, and what it names exists."""

import argparse
import ast
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from locust import argument_parser

from loadkit import cli
from loadkit.profile.profile import load_profile, profile_folders
from loadkit.swarm.options import add_options

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_file())
YAML = [name for name in FILES if name.endswith((".yml", ".yaml"))]


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def texts(found: Any) -> Iterator[str]:
    """Every text in what YAML or JSON holds."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for value in found.values():
            yield from texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from texts(value)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each `loadkit` command in a shell's text, flags' values included."""
    whole = text.replace("\\\n", " ")
    for found in re.finditer(r"(?m)(?:^|[\s;&|`])loadkit ([a-z-]+ [^\n|`]*)", whole):
        rest = re.split(r" (?:\|\||&&|;)", found[1])[0]
        rest = re.sub(r"\$\{\w+:\+(--\w+) \"\$\w+\"\}", r"\1 value", rest)
        yield shlex.split(rest)


@cache
def of_loadkit() -> dict[str, argparse.ArgumentParser]:
    (found,) = (
        each for each in cli._parser()._actions if isinstance(each, argparse._SubParsersAction)
    )
    return dict(found.choices)


@cache
def of_locust() -> set[str]:
    """The flags of Locust's own command, with those that loadkit adds."""
    parser = argument_parser.get_empty_argument_parser(add_help=False)
    argument_parser.setup_parser_arguments(parser)
    add_options(parser)
    return set(parser._option_string_actions)


def test_each_is_told_of_in_the_readme() -> None:
    """And the readme tells of no other."""
    links = set(re.findall(r"\]\(([\w.-]+)\)", (EXAMPLES / "README.md").read_text()))
    assert links == set(FILES) - {"README.md"}


@pytest.mark.parametrize("name", YAML)
def test_yaml_is_read_without_a_key_twice(name: str) -> None:
    """A later one would take the place of the first in silence."""

    class Once(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Once.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    assert list(yaml.load_all((EXAMPLES / name).read_text(), Once))


@pytest.mark.parametrize("name", ["README.md", "github-actions.yml", "gitlab-ci.yml"])
def test_commands_and_their_flags_exist(name: str) -> None:
    """Each is parsed as it would be run."""
    text = (EXAMPLES / name).read_text()
    given = [text] if name == "README.md" else [*texts(documents(name))]
    found = [words for each in given for words in commands(each)]
    assert found
    for command, *words in found:
        assert command in of_loadkit(), command
        of_loadkit()[command].parse_args(words)


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_a_shell_can_read_what_they_run(name: str) -> None:
    """Each text that has a command of ours, as a whole."""
    for text in texts(documents(name)):
        if [*commands(text)]:
            subprocess.run(["bash", "-n", "-c", text], check=True, timeout=60)


def test_both_ci_jobs_do_all_that_is_promised() -> None:
    """The profile `ci`, the comparison as Markdown, and what is kept."""
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        text = (EXAMPLES / name).read_text()
        ran = [words for each in texts(documents(name)) for words in commands(each)]
        assert [words[:2] for words in ran if words[0] == "run"] == [["run", "ci"]], name
        assert [words[-1] for words in ran if words[0] == "compare"] == ["response.p95 > 10%"]
        assert all("--markdown" in words for words in ran if words[0] == "compare")
        assert "junit.xml" in text
        assert "report.html" in text or "- results/\n" in text


def test_the_pods_run_what_locust_takes_as_the_deployments_page_asks_for() -> None:
    """A Job that leads, one that loads with a pod a worker, and the Service by which they meet."""
    found = {
        (each["kind"], each["metadata"]["name"]): each for each in documents("kubernetes.yaml")
    }
    master, worker = found["Job", "loadkit-master"]["spec"], found["Job", "loadkit-worker"]["spec"]
    service = found["Service", "loadkit-master"]["spec"]
    (leads,), (loads,) = (each["template"]["spec"]["containers"] for each in (master, worker))
    for container in (leads, loads):
        assert {word.partition("=")[0] for word in container["args"]} <= of_locust()
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["envFrom"] == [{"secretRef": {"name": "loadkit"}}]
    assert f"--expect-workers={worker['parallelism']}" in leads["args"]
    assert worker["completions"] == worker["parallelism"]
    assert master["backoffLimit"] == 0
    assert (
        f"--master-host={found['Service', 'loadkit-master']['metadata']['name']}" in loads["args"]
    )
    assert service["selector"] == master["template"]["metadata"]["labels"]
    ports = {each["containerPort"] for each in leads["ports"]}
    assert ports == {each["port"] for each in service["ports"]}
    for probe in ("readinessProbe", "livenessProbe"):
        assert f"--metrics-port={leads[probe]['httpGet']['port']}" in leads["args"]
    claim = master["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert ("PersistentVolumeClaim", claim) in found
    assert f"--out={leads['volumeMounts'][0]['mountPath']}" in leads["args"]
    named = [word.partition("=")[2] for word in leads["args"] if word.startswith("--profile=")]
    load_profile(named[0], overrides=[], search=profile_folders())


def test_the_profile_asks_for_the_classes_of_the_locustfile() -> None:
    """Which is compiled here, and run in `tests/integration/test_examples_run.py`."""
    source = (EXAMPLES / "locustfile.py").read_text()
    compile(source, "locustfile.py", "exec")
    classes = {each.name for each in ast.parse(source).body if isinstance(each, ast.ClassDef)}
    profile = tomllib.loads((EXAMPLES / "shop.toml").read_text())
    assert set(profile["mix"]) == classes | {"CompleteChat"}
    load_profile(str(EXAMPLES / "shop.toml"), overrides=[], search=profile_folders())


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    """Each with a title, a source and an unambiguous place."""
    board = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        assert panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 15
