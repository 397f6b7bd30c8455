# Two commands are all a newcomer types: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What the demo needs, and what the tests need beside it: every provider's client, linters, Chromium's driver.
SERVER := $(VENV)/.server
STAMP := $(VENV)/.installed

.PHONY: demo test check bench conformance interop hub chaos fuzz hostile endurance clean

demo: $(SERVER)
	$(BIN)/watchpost demo

test: check
	$(BIN)/pytest -n auto --dist loadfile

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	for program in benchmarks/*.py; do $(BIN)/python $$program || exit 1; done

conformance: $(STAMP)
	$(BIN)/python benchmarks/conformance.py

interop: $(STAMP)
	$(BIN)/python tests/interop/run.py

# Models in the hub's format through torch and transformers, in an environment of their own.
hub: $(STAMP)
	$(BIN)/python tests/hub/run.py

# 200 seeded runs of kills, outages, full disks, resends and cut bodies: about an hour.
chaos: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

fuzz: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

# 100,000 hostile requests beside honest traffic: about half an hour.
hostile: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m hostile $(ARGS)

# Memory over 100,000 checks of every guard, with whatever models are there.
endurance: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m endurance $(ARGS)

$(SERVER): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[server,guards]"
	touch $@

$(STAMP): $(SERVER)
	$(PIP) --editable . --group test
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
