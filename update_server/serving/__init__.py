"""The running process: TLS listeners, broker child, ingest thread, ticker."""
