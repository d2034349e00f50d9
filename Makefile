# make demo [EXIT=1]   install, start the house, fit a first network, serve until Ctrl-C
# make test            install, run the tests       make slow    the long ones too; so does make test where CI is set
# make check           lint, types, templates       make bench   the figures of benchmarks/
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PORT ?= 8000

.PHONY: install demo test slow check bench clean

install: $(STAMP)

# torch first: on its own it takes the build that the configured indexes prefer, and nothing after it may change that
$(STAMP): pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Espalier needs Python 3.11 or newer; name one with make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[embedded,dev]' -e client
	touch $@

demo: $(STAMP)
	$(BIN)/python -m demo --port $(PORT) $(if $(EXIT),--exit)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(if $(CI),--slow)

slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python -m pytest -q tests/test_arrows.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist *.egg-info client/*.egg-info .pytest_cache .ruff_cache .mypy_cache
