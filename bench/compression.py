"""What permessage-deflate costs the generator: an exchange and an idle session, with and without.

A server that agrees, and clients that compress every message, as browsers do.
"""

from typing import Final

from bench import exchange, idle
from bench.figures import Figure, busy, ratios
from bench.processes import Lab

DEFLATE: Final = "\n[connection]\ndeflate = true\n"
AGREES: Final = "compression=true"


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Measure both kinds of session in turns."""
    cpu: dict[str, list[exchange.Run]] = {"": [], DEFLATE: []}
    memory: dict[str, list[idle.Run]] = {"": [], DEFLATE: []}
    for number in range(1, repeat + 1):
        for more in ("", DEFLATE):
            options = exchange.ours(lab, exchange.PROFILE + more)
            cpu[more].append(exchange.measure(lab, (*exchange.AT_ONCE, AGREES), *options, None))
            memory[more].append(idle.measure(lab, (*idle.DIALS, AGREES), idle.PROFILE + more))
            how = "compressed" if more else "plain"
            told = f"{cpu[more][-1].cpu_us:.1f} µs, {memory[more][-1].each_kb:.1f} KB"
            print(f"compression {number}/{repeat}: {how} {told}", flush=True)
    plain, packed = ([one.cpu_us for one in cpu[more]] for more in ("", DEFLATE))
    light, heavy = ([one.each_kb for one in memory[more]] for more in ("", DEFLATE))
    return [
        Figure("CPU of one exchange, plain, µs", plain),
        Figure("  compressed, µs", packed),
        Figure("  compressed ÷ plain", ratios(packed, plain)),
        Figure("memory an idle session, plain, KB", light),
        Figure("  compressed, KB", heavy),
        Figure("  compressed ÷ plain", ratios(heavy, light)),
        *busy([one.busy for runs in cpu.values() for one in runs]),
    ]
