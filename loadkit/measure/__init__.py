"""What one run measured, added up: from a worker's counters to the master's ledger.

Pure: no clock and no I/O. What it means is said in `loadkit.verdict`, what moved is in
`loadkit.soak`."""
