# Two commands: `make demo` and `make test`. Both make what they need on a bare machine (Python >= 3.11 and make).

.PHONY: demo test test-long check page format

demo:
	@.ci/bootstrap --dashboard
	@exec .venv/bin/telemetry demo

# The core first, with its branches counted; then everything else, on real servers, sockets and a browser.
test: check
	@mkdir -p build
	@.venv/bin/coverage run -m pytest tests/core -m "not long"
	@.venv/bin/coverage report
	@.venv/bin/python -m pytest -m "not long" --ignore=tests/core

test-long: check
	@.venv/bin/python -m pytest

check:
	@.ci/bootstrap --test --dashboard --test-dashboard --chromium
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports
	@.venv/bin/basedpyright

page:
	@.ci/bootstrap --dashboard

format:
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
