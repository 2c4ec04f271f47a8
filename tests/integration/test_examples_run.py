"""The locustfile in `examples/` is run, with the profile beside it."""

from pathlib import Path

from processes import ROOT, SECRETS, as_run, results, run, simulator, summary, unless_busy


def test_the_example_of_a_locustfile_does_what_it_says(tmp_path: Path) -> None:
    """Two tabs more or less, apps that are shut down, people who ask for a human: all as the server
    saw it.
    """
    out, own = tmp_path / "out", ROOT / "examples" / "locustfile.py"
    with simulator(tmp_path, "handoff.wait=50ms") as server:
        command = as_run(ROOT / "examples" / "shop.toml", server.url, out, locustfile=own)
        ended = run(command, tmp_path, SECRETS)
        truth = server.stop()
    told = summary(out)
    assert ended.code == unless_busy(0, told), ended.output
    assert set(told["user_classes"]) == {"Kiosk", "Regular", "CompleteChat"}
    assert truth.of("handoff")
    assert (results(out) / "report.html").is_file()
