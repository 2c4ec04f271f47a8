"""What was measured: histograms, the ledger, the verdicts. Pure: no clock and no I/O."""
