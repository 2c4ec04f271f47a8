"""A number, or a word, that means one thing stands in one module."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.sources import parsed

ROOT = Path(__file__).parent.parent / "loadkit"

CHANCE = {
    "LEAST": "a trend's own, which those who only name the number need not load numpy for",
    "LEAVES": "a pause, and a goodbye",
    "PATIENCE": "a silent worker's, and a master's last word",
    "ROUNDS": "of a search, and of decoding",
    "SEED": "two streams of chance",
    "TOLD": "lines of two different lists",
}
"""Names that stand for the same in two modules, and are not the same thing, or may not be one."""


def constants() -> dict[tuple[str, str], set[Path]]:
    """Where each plain value stands under each name, at the top of a module; a `_` aside."""
    found: dict[tuple[str, str], set[Path]] = defaultdict(set)
    for path in ROOT.rglob("*.py"):
        for node in parsed(path).body:
            if isinstance(node, ast.AnnAssign):
                names, value = [node.target], node.value
            elif isinstance(node, ast.Assign):
                names, value = node.targets, node.value
            else:
                continue
            for name in names:
                if isinstance(name, ast.Name) and name.id.isupper() and value is not None:
                    try:
                        plain = repr(ast.literal_eval(value))
                    except (ValueError, TypeError):  # reckoned, or made of others
                        continue
                    found[name.id.strip("_"), plain].add(path.relative_to(ROOT))
    return found


def test_a_constant_stands_once() -> None:
    """But for the simulator, which shares nothing with the client: a mistake would hide in both."""
    twice = {
        name: sorted(map(str, side))
        for (name, _), places in constants().items()
        for side in (
            {path for path in places if path.parts[0] == "simulator"},
            {path for path in places if path.parts[0] != "simulator"},
        )
        if len(side) > 1
    }
    assert {name: places for name, places in twice.items() if name not in CHANCE} == {}
    assert CHANCE.keys() - twice.keys() == set()
