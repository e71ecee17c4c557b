# make demo: a whole simulated heating session, and its report. make test: what a contributor needs of the test suite.
# make test-all: all of it. make torture: attacks by the thousand. Each sets itself up.
PYTHON ?= python3.11
BIN = .venv/bin

.PHONY: demo test test-all torture bench bench-short screens docs check lock clean

demo: .venv/ready
	folder=sessions/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/alloyscope dry-run examples/mychinko2021_nc2.toml --out $$folder --json $$folder.json

# Two at a time; tests of one group, which share real time limits or a compilation, never run beside each other.
PYTEST = $(BIN)/pytest -q -n 2 --dist loadgroup

test: .venv/ready
	$(PYTEST) -m "not slow"

test-all: .venv/ready
	$(PYTEST) $(COVERAGE)

# Attacks, many more of each than in test-all, and a table of what was seen: half an hour, alone on the machine.
TORTURE ?= 25
ATTACKS = tests/torture tests/controller/stream/test_hostile_messages.py tests/drivers/recorded/test_foreign_stack.py \
    tests/controller/plan/test_mutated_session_files.py
torture: .venv/ready
	ALLOYSCOPE_TORTURE=$(TORTURE) $(BIN)/pytest -q --timeout 0 $(ATTACKS)

# Speed beside peers in one run, ten minutes on an otherwise idle machine; the table goes into docs/performance.md.
bench: .venv/ready build/peers/ready
	PYTHONPATH=build/peers $(BIN)/python -m benchmarks.bench --json build/bench.json --into docs/performance.md

# The same in seconds, small, and without the peers that are no part of the environment: does it still run?
bench-short: .venv/ready
	$(BIN)/python -m benchmarks.bench --short

build/peers/ready: .venv/ready
	$(BIN)/uv pip install -q --no-deps --python $(BIN)/python --group bench --target build/peers
	touch build/peers/ready

# Pictures of every sheet of the screen at four sizes, into build/screens: to be looked at.
screens: .venv/ready
	PYTHONPATH=. $(BIN)/python scripts/screens.py

# All pages as a site that opens from its folder, without a network; a dead link fails it.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet -f scripts/site.yml

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/ready: requirements.lock pyproject.toml
	sh scripts/bootstrap.sh $(PYTHON)
	mkdir -p sessions
	touch .venv/ready

lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --group dev --generate-hashes --no-annotate -o requirements.lock pyproject.toml

clean:
	rm -rf .venv build *.egg-info
