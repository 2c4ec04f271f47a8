"""This project's own sources, for the tests that look at them: each is parsed once a process."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = [*sorted((ROOT / "loadkit").rglob("*.py")), ROOT / "locustfile.py"]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, at the top or inside of others; not their expressions, which are many."""
    yield tree
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(tree, block, ()):
            yield from statements(node)
