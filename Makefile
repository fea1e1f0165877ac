# demo: set up, then the district live.   make demo SECONDS=60 stops by itself and prints figures.
# test, check, bench: all tests (four at once: most of them wait for servers); linters, types and
# import order; the figures of the machine.
# setup: only prepare.   clean: remove all that the others made in this folder.
.PHONY: demo test check bench setup setup-tests clean

python = .venv/bin/python
web = cd web && PATH="$(CURDIR)/.venv/bin:$$PATH"

demo: setup
	@$(python) -m blocktwin demo $(if $(SECONDS),--seconds $(SECONDS))

test: setup-tests
	$(python) -m pytest -q -n 4 --dist loadfile
	$(web) npm test --silent

check: setup-tests
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/mypy . && .venv/bin/lint-imports
	$(web) npm run --silent check

bench: setup
	$(python) bench/ingest.py

setup:
	@dev/setup.sh

setup-tests:
	@dev/setup.sh --tests

clean:
	rm -rf .blocktwin .venv twin/static web/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
