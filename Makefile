# Everything is set up from nothing but Python (3.11 or later) and make: the first target makes .venv,
# the second time it is there. PYTHON chooses another interpreter, VENV another place.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint bench soak clean

help:
	@echo "make demo    a disputed level as decided and as known now, explained, and why they differ"
	@echo "make test    lint, types, import contract and all tests, on both databases"
	@echo "make bench   the benchmarks (half an hour), with the machine left alone"
	@echo "make soak    many more kills and random inputs than make test"
	@echo "make clean   remove what was made"

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)
	$(BIN)/levelbook demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(BIN)/python -m pytest

bench: $(READY)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only -s

soak: $(READY)
	LEVELBOOK_SOAK=10 $(BIN)/python -m pytest

clean:
	rm -rf .venv .venv-* levelbook-demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
