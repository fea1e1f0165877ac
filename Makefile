# demo: set up, then the district live.   make demo SECONDS=60 stops by itself and prints figures.
# test, check: all tests (four at once: most of them wait for servers); linters, types and import order.
# bench-ingest, bench-history, bench-map, bench-alerts: the figures of this machine;
# bench: all of them.
# setup: only prepare.   clean: remove all that the others made in this folder.
.PHONY: demo test check bench bench-ingest bench-history bench-map bench-alerts setup setup-tests clean

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

bench: bench-ingest bench-history bench-map bench-alerts

bench-ingest: setup
	$(python) bench/ingest.py

bench-history: setup
	$(python) bench/history.py

bench-map: setup
	$(python) bench/map.py

bench-alerts: setup
	$(python) bench/alerts.py

setup:
	@dev/setup.sh

setup-tests:
	@dev/setup.sh --tests

clean:
	rm -rf .blocktwin .venv twin/static web/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
