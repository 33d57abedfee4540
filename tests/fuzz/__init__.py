"""Hostile inputs for every parser: what Hypothesis (tests/unit/agent/test_every_parser.py) and atheris share."""
