"""Mathematics that knows no chat: histograms, order statistics, censored waits, trends, queues."""
