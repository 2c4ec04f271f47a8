"""Writes `licences.md`, from what the installed packages say of themselves: `make licences`."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"

ELSEWHERE = {"colorama": "BSD-3-Clause", "pywin32": "PSF-2.0"}
"""What is installed on Windows alone, by its page on PyPI."""

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Words of older packages → identifier."""

COPYLEFT = re.compile(r"\b(MPL|EPL|CDDL|LGPL|GPL|AGPL|EUPL|OSL|CPAL)\b")

HEAD = """# Licences of what loadkit is built on

What the packages of `requirements.txt` say of their own licences, as
[SPDX](https://spdx.org/licenses/) identifiers. `make licences` writes this page; a test holds it to
`requirements.txt` and to what is installed. loadkit ships none of their code: pip installs them
beside it. One library of others it does ship, for the charts of its pages: Apache ECharts
(Apache-2.0), with its licence and its notice in `loadkit/pages/assets`; `make vendor` renews it.

"""

NOTE = """## Copyleft

{named} are, whole or in part, under the Mozilla Public License 2.0, a copyleft of single files: who
changes one of *their* files and passes it on gives that file's source. Using them puts no terms on
loadkit or on your own code. Of these, {running} are there when loadkit runs. No package is under a
GPL, LGPL or AGPL.

Wheels bring libraries along, which matters to whoever passes an image on: pyzmq's has libzmq
(MPL-2.0), those of numpy and scipy have libgfortran (GPL-3.0 with the GCC runtime exception) and
libquadmath (LGPL-2.1). Their terms are in `*.dist-info` beside each package.
"""


def pinned() -> list[str]:
    """The packages of `requirements.txt`, by their canonical names."""
    text = (ROOT / "requirements.txt").read_text()
    return sorted({canonicalize_name(name) for name in re.findall(r"(?m)^([\w.-]+)==", text)})


def licence(name: str) -> str:
    """What an installed package says of its licence; of others what is known."""
    try:
        said = _said(distribution(name))
    except PackageNotFoundError:
        return ELSEWHERE[name]
    return said


def _said(package: Distribution) -> str:
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    # Two of one package are a choice wherever its own text was looked at.
    told = [
        words.rpartition(" :: ")[2]
        for words in metadata.get_all("Classifier") or []
        if words.startswith("License :: ") and "DFSG" not in words
    ]
    if not told:
        told = [(metadata.get("License") or "unknown").splitlines()[0]]
    return " OR ".join(SPDX.get(words, words) for words in sorted(told))


def _running() -> set[str]:
    """The packages that are installed with loadkit alone, without its `dev` ones."""
    found: set[str] = set()
    waiting = [("loadkit", frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        for each in _needs(name, extras):
            key = canonicalize_name(each.name)
            if key not in found or each.extras:
                found.add(key)
                waiting.append((key, frozenset(each.extras)))
    return found


def _needs(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    try:
        listed = requires(name) or []
    except PackageNotFoundError:
        return
    for line in listed:
        need = Requirement(line)
        if need.marker is None or any(
            need.marker.evaluate({"extra": extra}) for extra in extras or {""}
        ):
            yield need


def page() -> str:
    """The whole page."""
    names, running = pinned(), _running()
    rows = [("package", "licence", "needed"), ("---", "---", "---")]
    for name in names:
        where = "to run" if name in running else "to develop"
        rows.append((name, licence(name), "on Windows" if name in ELSEWHERE else where))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    left = [name for name in names if COPYLEFT.search(licence(name))]
    note = NOTE.format(
        named=_listed(left),
        running=_listed([name for name in left if name in running]),
    )
    return HEAD + table + "\n" + note


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
