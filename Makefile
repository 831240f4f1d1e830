# make train ARGS="penalty=mmd data=german"   train a fair encoder
# make sweep ARGS="penalty=mmd"               a whole front: 8 λ, 3 seeds and their λ = 0 twins
# make test | test-slow | check               the suites, the static checks
# make dist                                   dist/: the wheel and the source distribution
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# installing compiles nothing: what is imported is compiled once, by the first process that needs it
export PYTHONDONTWRITEBYTECODE :=

.PHONY: train sweep test test-slow check dist clean

train: $(VENV)/.run
	$(BIN)/python scripts/train.py penalty=sinkhorn $(ARGS)

sweep: $(VENV)/.run
	$(BIN)/python scripts/sweep.py penalty=sinkhorn encoder=mlp $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dist: $(VENV)/.test
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# a stamp per extra: installing happens once, and again when the requirements change
$(VENV)/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable .
	touch $@

$(VENV)/.test: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[test]'
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[test,dev]'
	touch $@
