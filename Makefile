# Everything a newcomer needs: `make demo` and `make test`. Needs Python 3.11 or newer; all else comes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# mysqlclient can be added: it is built from libmariadb-dev, which not every machine has.
EXTRAS ?= mariadb,postgresql,dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Most tests of whole processes wait more than they work.
WORKERS ?= 4

.PHONY: demo test lint format bench clean

demo: $(VENV)/.installed
	$(BIN)/harvester demo

test: $(VENV)/.installed-for-tests
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.installed-for-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd benchmarks && ../$(BIN)/mypy --config-file ../pyproject.toml .
	$(BIN)/lint-imports

format: $(VENV)/.installed-for-tests
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.installed-for-tests
	$(BIN)/python benchmarks/all.py

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Harvester needs Python 3.11 or newer; name one with: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Harvester and its libraries into $(VENV), which takes half a minute"
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-for-tests: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Harvester and what its tests need into $(VENV), which takes a minute"
	$(PIP) --editable '.[$(EXTRAS)]'
	touch $@ $(VENV)/.installed
