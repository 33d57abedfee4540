"""Benchmarks: `make bench B=NAME` measures on this machine and writes build/bench/NAME.json."""
