# Everything runs in .venv, and every target sets itself up. `make help` lists them.
PYTHON ?= python3
JOBS ?= 2
DEMO_ARGS ?=
BENCH_ARGS ?=

BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
# One process more than JOBS for tests of deployments, which wait half of their time.
WAITING := --numprocesses $$(($(JOBS) + 1)) --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip install -qq --no-compile
FUZZ_EXAMPLES ?= 2000
FUZZ_REQUESTS ?= 10000
MUTANTS ?= 200
SEED ?= 0
HOUSE := dist/wheelhouse
BUILD := build/wheelhouse

# Hundreds of processes run the code: what one has compiled, the others read.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup hashes format check test test-fast faults fuzz mutants demo bench wheelhouse clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## create .venv with the pinned dependencies

# All but torch is exactly what hashes.txt lists, and pip refuses any other file. torch is whichever build of the pinned
# version pip is pointed at (CPU or CUDA). Nothing is compiled ahead: most of it is never imported.
$(STAMP): pyproject.toml constraints.txt hashes.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --no-deps --require-hashes --requirement hashes.txt
	$(PIP) --constraint constraints.txt torch
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

hashes: ## write hashes.txt anew: what is installed in .venv, with the SHA-256 of every file that the index has of it
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude torch | $(BIN)/uv pip compile - --output-file hashes.txt \
		--no-deps --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

format: $(STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: $(STAMP) ## lint, format, types, import rules, known weaknesses of the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

test: test-fast ## all tests, the slow ones last
	$(PYTEST) -m slow $(WAITING)

test-fast: $(STAMP) ## all but the slow tests, in JOBS processes
	$(PYTEST) -m "not slow and not faults" --numprocesses $(JOBS) --dist loadfile

faults: $(STAMP) ## real deployments whose parts fail in turn (up to an hour): what is said, and that nothing is lost
	$(PYTEST) -m faults tests/deployment $(WAITING)

fuzz: $(STAMP) ## damage a file of every table format FUZZ_EXAMPLES times, and send each gateway FUZZ_REQUESTS mutated requests (minutes): no traceback, no row lost
	TESSERA_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTEST) tests/fuzz --timeout 0 --numprocesses $(JOBS)
	TESSERA_FUZZ_REQUESTS=$(FUZZ_REQUESTS) $(PYTEST) tests/deployment/test_mutated_requests.py --timeout 0

mutants: $(STAMP) ## put MUTANTS small faults into the code, drawn by SEED: which does no fast test see? (hours; goes on where it was interrupted)
	$(BIN)/python -m benchmarks.mutants --count $(MUTANTS) --seed $(SEED)

demo: $(STAMP) ## synthetic study of every arm: runs/demo/report.html (smaller with DEMO_ARGS=--small)
	$(BIN)/tessera-simulate demo --out runs/demo $(DEMO_ARGS)

bench: $(STAMP) ## time and memory of a round against a bare PyTorch loop; minutes (BENCH_ARGS=W1: one minute)
	$(BIN)/python -m benchmarks.federation --json runs/bench.json $(BENCH_ARGS)

# From the commit alone, so that source, pins and wheels belong together. Each run begins anew: what pip fetched it has kept.
wheelhouse: ## offline install for this kind of machine and PYTHON's version, without Ray: dist/wheelhouse
	@echo "1/4 source: commit $$(git rev-parse --short=12 HEAD)"
	@git diff --quiet HEAD || echo "    changes that are not committed stay out"
	@rm -rf $(HOUSE) $(BUILD) && mkdir -p $(HOUSE) $(BUILD)
	@git archive --prefix=tessera/ --output $(HOUSE)/tessera-$$(git rev-parse --short=12 HEAD).tar.gz HEAD
	@tar -xzf $(HOUSE)/tessera-*.tar.gz -C $(BUILD)
	@cp $(BUILD)/tessera/constraints.txt $(BUILD)/tessera/client/node/install.sh $(HOUSE)
	@cp $(BUILD)/tessera/docs/air-gapped.md $(HOUSE)/README.txt
	@echo "2/4 pip of $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(BUILD)/venv
	@echo "3/4 wheels: half a minute to many, by pip's cache and the build of torch"
	@$(BUILD)/venv/bin/python -m pip download --quiet --only-binary :all: --dest $(HOUSE)/wheels \
		--constraint $(HOUSE)/constraints.txt torch setuptools './$(BUILD)/tessera[slides,encoders]'
	@for file in $(HOUSE)/wheels/*.whl; do \
		case $$file in */torch-*) continue ;; esac; \
		grep -q "$$(sha256sum < $$file | cut -d ' ' -f 1)" hashes.txt || { echo "error: hashes.txt does not list $$file"; exit 1; }; \
	done
	@echo "4/4 bill of materials and sums"
	@cd $(BUILD)/tessera && PYTHONPATH=$$(ls $(CURDIR)/$(HOUSE)/wheels/packaging-*.whl) $(PYTHON) -m modalities.core.supply \
		$(CURDIR)/$(HOUSE)/wheels $(CURDIR)/$(HOUSE)
	@(cd $(HOUSE) && find * -type f | LC_ALL=C sort | xargs sha256sum) > $(BUILD)/SHA256SUMS
	@mv $(BUILD)/SHA256SUMS $(HOUSE)
	@echo "$(HOUSE): $$(ls $(HOUSE)/wheels | wc -l) wheels, $$(du -sm $(HOUSE) | cut -f 1) MB; SHA-256 of its SHA256SUMS:"
	@sha256sum < $(HOUSE)/SHA256SUMS

clean: ## remove caches and build outputs; .venv and runs/ stay
	rm -rf build dist *.egg-info *.fab .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
