# What one types. `make` alone explains itself.

CONFIG ?=
OBSERVE ?=
PYTHON ?=
VENV   := .venv
THEIRS := .venv-clients
NODE   := tests/clients/node
BIN    := $(VENV)/bin
CRAZY  := $(BIN)/crazy
WITH    = $(if $(CONFIG),--config "$(CONFIG)")

.DEFAULT_GOAL := help
.PHONY: help up down status logs test clients check format coverage mutate soak simulate campaign fuzz bench install \
        ibasync lock clean

help: ## Describe every target (this list)
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  CONFIG=path chooses the configuration (default config/config.yaml), PYTHON=path the Python to install with."
	@echo "  OBSERVE=1 with \`make up\`: decide and send nothing."

up: $(VENV)/.installed ## Install what is missing, start the fleet, return when every process is ready
	@$(CRAZY) up $(WITH) $(if $(OBSERVE),--observe)

down: $(VENV)/.installed ## Stop the fleet; its orders at the broker stay where they are
	@$(CRAZY) down $(WITH)

status: $(VENV)/.installed ## Show what every symbol does, and why
	@$(CRAZY) status $(WITH)

logs: $(VENV)/.installed ## Follow the logs of all processes (Ctrl-C ends it)
	@$(CRAZY) logs --follow $(WITH)

# Whole fleets and benchmarks have the machine for themselves; everything else is shared out among its processors.
test: $(VENV)/.installed-dev clients ## Run the tests (lock-step and in-process; minutes)
	$(BIN)/python -m pytest -q -n auto --dist loadfile --ignore tests/day --ignore tests/benchmarks
	$(BIN)/python -m pytest -q tests/day tests/benchmarks

clients: $(THEIRS)/.installed $(if $(shell command -v npm),$(NODE)/node_modules/.installed) ## Install other people's TWS clients, which the tests try the gateway with
	@command -v npm >/dev/null || echo "no Node.js here: the tests with its TWS client will be skipped"

check: $(VENV)/.installed-dev ## Formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## Format the code and mend what lint can mend
	$(BIN)/ruff check --fix --silent . || true
	$(BIN)/ruff format .

coverage: $(VENV)/.installed-dev ## Run the tests and show which lines they never reach
	$(BIN)/python -m pytest -q --cov --cov-report=term-missing:skip-covered

mutate: $(VENV)/.installed-dev ## Change the cores bit by bit and count what the tests notice (hours; MODULES="services.clock.steps*")
	nice $(BIN)/mutmut run $(MODULES)
	$(BIN)/python -m tests.mutation

soak: $(VENV)/.installed-dev ## Run free-running days on the real processes, kills included (long)
	$(BIN)/python -m pytest -q -m soak --timeout=3600

simulate: $(VENV)/.installed-dev ## Run the cores through weeks in which things go wrong (DAYS=1000, SEED=0)
	$(BIN)/python -m tests.simulation $(if $(DAYS),--days $(DAYS)) $(if $(SEED),--seed $(SEED))

campaign: $(VENV)/.installed-dev ## The same for 10,000 runs of two weeks (hours)
	$(BIN)/python -m tests.simulation --days 100000

fuzz: $(VENV)/.installed-dev ## Attack the simulated gateway with a million requests (INPUTS=, SEED=, REPLAY=file)
	$(BIN)/python -m tests.hostile $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY))

bench: $(VENV)/.installed-dev ## Measure latency, footprint and the speed of ticks on this machine
	$(BIN)/python -m benchmarks.tick_to_order
	$(BIN)/python -m benchmarks.footprint
	$(BIN)/python -m benchmarks.tick_push

install: $(VENV)/.installed ## Create .venv and install what running needs, by hash

ibasync: $(VENV)/.installed ## Install the IBKR library ib_async, too, for `ibkr.library: ib_async`
	@$(BIN)/$(PIP) install $(LOCKED) -r requirements-ib_async.lock

lock: $(VENV)/.installed ## Renew the lock files from pyproject.toml (needs the network)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile $(LOCK) --extra build -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK) --extra build --extra ib_async -c requirements.lock -o requirements-ib_async.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK) --extra build --extra dev --extra ib_async -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK) -o tests/clients/requirements.lock tests/clients/requirements.in
LOCK := -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links

clean: ## Remove .venv and caches; records in var/ stay
	rm -rf $(VENV) $(THEIRS) $(NODE)/node_modules build *.egg-info .coverage htmlcov mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find messages services tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are renewed only when a lock or the project file changes. A failure says one line and leaves no stamp.

PIP := python -m pip --disable-pip-version-check --no-input -q

# A lock is complete: nothing is resolved again, and what comes as source is built with what the lock brought.
LOCKED := --require-hashes --no-deps --no-build-isolation --use-pep517

$(VENV)/.installed: requirements.lock pyproject.toml
	@.ci/venv "$(VENV)" "$(PYTHON)"
	@echo "installing into $(VENV) …"
	@$(BIN)/$(PIP) install $(LOCKED) -r requirements.lock
	@$(BIN)/$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing the development tools into $(VENV) …"
	@$(BIN)/$(PIP) install $(LOCKED) -r requirements-dev.lock
	@touch $@

# Other people's clients have an environment of their own: one of them brings a library that takes the place of one of ours.
# What comes as source needs setuptools first, which not every Python brings along.
$(THEIRS)/.installed: tests/clients/requirements.lock
	@.ci/venv "$(THEIRS)" "$(PYTHON)"
	@echo "installing other people's clients into $(THEIRS) …"
	@awk '/^[a-z]/ { wanted = /^setuptools==/ } wanted' $< > $(THEIRS)/setuptools.lock
	@$(THEIRS)/bin/$(PIP) install --require-hashes --no-deps -r $(THEIRS)/setuptools.lock
	@$(THEIRS)/bin/$(PIP) install $(LOCKED) -r $<
	@touch $@

$(NODE)/node_modules/.installed: $(NODE)/package-lock.json
	@echo "installing the client for Node.js into $(NODE) …"
	@npm ci --prefix $(NODE) --ignore-scripts --silent || \
		{ echo "make: npm couldn't install it; what stops it says: npm ci --prefix $(NODE)" >&2; exit 1; }
	@touch $@
