# Two commands do everything: `make demo` runs the main job, `make test` passes the tests.
# Each makes the environment (.venv) if it is missing or if the dependencies changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export PHENODOSE_STORE ?= $(CURDIR)/store
export PHENODOSE_INBOX ?= $(CURDIR)/inbox

.PHONY: help demo test check ui docs clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(None if ok else "phenodose needs Python 3.11, 3.12 or 3.13; this is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q platform assets plugins
	@touch $(READY)

demo: $(READY)  ## Take a simulated patient screen from raw images to a drug ranking.
	$(BIN)/phenodose demo

ui: $(READY)  ## Open the Dagster UI on http://127.0.0.1:3000.
	@mkdir -p $(PHENODOSE_INBOX)
	DAGSTER_HOME=$(CURDIR) $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

check: $(READY)  ## Lint, format, import and type checks.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=platform:assets $(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	MYPYPATH=platform:assets:plugins $(BIN)/mypy examples/*/*.py

test: check  ## Everything that must pass: checks, then all tests, two files at a time.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

docs: $(READY)  ## Regenerate the pages that are made from code.
	$(BIN)/python docs/generate.py

clean:  ## Remove the environment, caches and the demo's products.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .dagster store inbox
