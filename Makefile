# Everything a person or a CI job calls. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv/bin
PY := $(VENV)/python
COMPILE := build/relock/bin/pip-compile -q --upgrade --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links --no-strip-extras --allow-unsafe
export PYTHONDONTWRITEBYTECODE :=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

setup: ## install what is missing on this machine (Debian packages, .venv)
	@tests/tools/setup.sh

images: setup ## build the firmware images that the tests and the demo use (cached by content)
	@$(PY) -m tests.tools.images

demo: images ## the whole story on an emulated ARM camera (KEEP=1 leaves it running)
	@$(VENV)/camward-sim demo $(if $(KEEP),--keep)

test: images ## every test category, each must run and skip nothing (CATEGORIES="unit contract" for some)
	@$(PY) -m tests.run $(CATEGORIES)

check: setup ## format, lint, types, import directions, documents, the trust core's size and coverage: CI's fast half
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports
	@$(PY) -m tests.tools.generate --check
	@$(PY) -m tests.tools.no_hosts
	@$(PY) -m tests.tools.trust_gate

fix: setup ## format, and mend what the linter can
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

generate: setup ## write the generated documents (docs/generated)
	@$(PY) -m tests.tools.generate

portable: images ## agent core under MicroPython and CPython: the same output
	@$(PY) -m tests.portable.run

bench: images ## measure (B=demo, B=trust, B=delta, B=install, B=credentials or B=link for one); JSON in build/bench
	@tests/tools/setup.sh lock/bench-packages.txt
	@$(PY) -m tests.bench $(B)

soak: images ## long runs: power cuts in mid-install (CUTS=100), known passwords on every path, messages under faults (MINUTES=30); PART=power_cuts, credentials or link for one
	@CUTS=$(or $(CUTS),100) $(PY) -m tests.run $(addprefix soak-,$(or $(PART),power_cuts credentials link))

fuzz: setup ## parsers under coverage-guided fuzzing (SECONDS=60); what breaks them is left in build/fuzz
	@test -x build/fuzz-venv/bin/python || python3 -m venv build/fuzz-venv
	@build/fuzz-venv/bin/pip -q install --require-hashes -r lock/fuzz.txt
	@mkdir -p build/fuzz/corpus
	@build/fuzz-venv/bin/python -m tests.fuzz.atheris_formats -max_total_time=$(or $(SECONDS),60) \
		-artifact_prefix=build/fuzz/ build/fuzz/corpus

relock: ## lock the newest Python packages that pyproject.toml allows
	@rm -rf build/relock && mkdir -p build && python3 -m venv build/relock && build/relock/bin/pip -q install pip-tools
	@$(COMPILE) --extra agent --extra server --extra pkcs11 --extra sim --extra dev -o lock/dev.txt pyproject.toml
	@$(COMPILE) --extra agent --extra server --extra fuzz -o lock/fuzz.txt pyproject.toml

clean: ## remove build outputs (keeps the download cache and the boot keys)
	@rm -rf build/images build/demo build/bench build/run

.PHONY: help setup images demo test check fix generate portable bench soak fuzz relock clean
