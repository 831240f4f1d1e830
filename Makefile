# make train ARGS="penalty=mmd data=german"   train a fair encoder
# make sweep ARGS="penalty=mmd"               a whole front: 8 λ, 3 seeds and their λ = 0 twins
# make test | test-slow | check               the suites, the static checks
# make dist                                   dist/: the wheel and the source distribution
# make docs | docs-serve                      the documentation in site/, or at http://127.0.0.1:8000
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# installing compiles nothing: what is imported is compiled once, by the first process that needs it
export PYTHONDONTWRITEBYTECODE :=

.PHONY: train sweep test test-slow check docs docs-serve dist clean

train: $(VENV)/.run
	$(BIN)/python scripts/train.py penalty=sinkhorn $(ARGS)

sweep: $(VENV)/.run
	$(BIN)/python scripts/sweep.py penalty=sinkhorn encoder=mlp $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.test $(VENV)/.docs
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dist: $(VENV)/.test
	rm -rf dist
	$(BIN)/python -m build

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-serve: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

clean:
	rm -rf $(VENV) dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

# a stamp per extra: installing happens once, and again when the requirements change
$(VENV)/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable .
	touch $@

$(VENV)/.test: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[test]'
	touch $@

$(VENV)/.docs: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[docs]'
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[test,dev]'
	touch $@
