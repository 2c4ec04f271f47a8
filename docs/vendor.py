"""Renews what is shipped of others' code in `loadkit/pages/assets`: `make vendor`."""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

ASSETS = Path(__file__).parents[1] / "loadkit" / "pages" / "assets"
RECORD = ASSETS / "vendored.json"
NAME = "echarts"
FILES = {
    "package/dist/echarts.min.js": "echarts.min.js",
    "package/LICENSE": "echarts.LICENSE.txt",
    "package/NOTICE": "echarts.NOTICE.txt",
}


def main() -> None:
    """Fetch the newest version, and put its files and their record in place."""
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            ["npm", "pack", "--json", NAME], cwd=folder, check=True, capture_output=True
        )
        (package,) = json.loads(told.stdout)
        with tarfile.open(Path(folder) / package["filename"]) as archive:
            for there, here in FILES.items():
                file = archive.extractfile(there)
                assert file is not None
                (ASSETS / here).write_bytes(file.read())
    record = {
        "name": NAME,
        "version": package["version"],
        "licence": "Apache-2.0",
        "file": "echarts.min.js",
        "sha256": hashlib.sha256((ASSETS / "echarts.min.js").read_bytes()).hexdigest(),
    }
    RECORD.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
