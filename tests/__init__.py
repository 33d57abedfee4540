"""Everything Camward promises, proven; `python -m tests.run` runs every category."""
