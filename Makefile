# Two commands do everything: `make demo` runs the main job, `make test` passes the tests.
# Each makes the environment (.venv) if it is missing or if the dependencies changed.

PYTHON ?= python3
VENV := .venv
EXTRAS := dev
BIN := $(VENV)/bin
READY := $(VENV)/.ready

TWO_FILES := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# Tests of what every engine of Keras does in its own way.
OF_ENGINES := $(addprefix tests/platform/learning/test_,steps.py adam.py activation_maps.py)

export PHENODOSE_STORE ?= $(CURDIR)/store
export PHENODOSE_INBOX ?= $(CURDIR)/inbox

.PHONY: help demo test tests test-slow slow-tests check lint types ui docs clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

# Libraries are compiled on all cores and without their tests, for which pip takes a minute on one; processes that may
# write nothing find them compiled.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(None if ok else "phenodose needs Python 3.11, 3.12 or 3.13; this is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[$(EXTRAS)]'
	@$(BIN)/python -m compileall -q -j 0 -x '/tests/' $(VENV)/lib > $(VENV)/not_compiled.txt || true
	$(BIN)/python -m compileall -q platform assets plugins
	@touch $(READY)

demo: $(READY)  ## Take a simulated patient screen from raw images to a drug ranking.
	$(BIN)/phenodose demo

ui: $(READY)  ## Open the Dagster UI on http://127.0.0.1:3000.
	@mkdir -p $(PHENODOSE_INBOX)
	DAGSTER_HOME=$(CURDIR) $(BIN)/phenodose ui --port 3000

check: lint types  ## Lint, format, import and type checks.

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=platform:assets $(BIN)/lint-imports --no-cache

types: $(READY)
	$(BIN)/mypy
	MYPYPATH=platform:assets:plugins $(BIN)/mypy examples/*/*.py

test: lint  ## Everything that must pass: checks, and all tests but the slow ones, two files at a time.
	$(MAKE) --no-print-directory --jobs 2 types tests

tests: $(READY)
	$(BIN)/python -m pytest $(TWO_FILES)

test-slow:  ## Before a release: what is too long for `make test`, and what needs JAX, PyTorch or UMAP.
	$(MAKE) slow-tests VENV=.venv-slow EXTRAS=dev,jax,torch,umap

slow-tests: $(READY)
	$(BIN)/python -m pytest $(TWO_FILES) -m slow
	$(BIN)/python -m pytest $(TWO_FILES) -m hypothesis --hypothesis-profile more
	$(BIN)/python -m pytest -m '' tests/plugins/test_umap_embedder.py
	for engine in jax torch; do KERAS_BACKEND=$$engine $(BIN)/python -m pytest -m '' $(OF_ENGINES) || exit; done

docs: $(READY)  ## Regenerate the pages that are made from code.
	$(BIN)/python docs/generate.py

clean:  ## Remove the environment, caches and the demo's products.
	rm -rf $(VENV) .venv-slow .mypy_cache .ruff_cache .pytest_cache .hypothesis .dagster store inbox
