# make run      a fresh machine to a server on http://127.0.0.1:8000: environment, packages, models, start
# make test     everything that is missing, then every test
# make bench    speed, as ratios within one run, and a server under ten times its load
# make peer DOCUMENTS=FOLDER: ingest beside LlamaIndex's default
# make lint     formatting, lint, types; make format repairs the first two
# make audit    known vulnerabilities of requirements.lock (make lock); make sbom: what is installed, as CycloneDX

PYTHON ?= python3
VENV   ?= .venv
# The release that is tested. On Linux this may be the CUDA build, some gigabytes larger than a processor needs: the
# install page of PyTorch names the index of the CPU build, `make run TORCH="torch==2.13.0 --index-url ..."` takes it.
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin

.PHONY: run test test-models test-browser test-charts bench peer lint format lock audit sbom clean

run: $(VENV)/.installed
	$(BIN)/footnote serve

test: $(VENV)/.installed-dev test-models test-browser test-charts
	$(BIN)/python -m pytest

# The default models and a tiny language model (1.3 GB, once). Where one cannot be fetched (exit status 1), the tests that
# need it are skipped with a reason; a wrong setting (exit status 2) ends the run.
test-models: $(VENV)/.installed-dev
	@for model in all-MiniLM-L6-v2 smollm2-135m-instruct-q4_1 qwen2.5-coder-1.5b-instruct-q4_k_m; do \
	  $(BIN)/footnote models pull $$model || { \
	    [ $$? -eq 1 ] || exit 1; echo "Tests that need $$model are skipped."; }; done

# A Chromium for the tests of the page: the system's, else playwright's own; without one they are skipped with a reason.
test-browser: $(VENV)/.installed-dev
	@[ -n "$$CHROMIUM" ] || command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null || \
	  PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT=10000 $(BIN)/playwright install chromium || \
	  echo "Tests of the page are skipped: install Chromium (Debian: apt install chromium)."

# Helm's library, which installs the chart into a stand-in of Kubernetes' API; without it those tests are skipped with a
# reason. The package says that it needs Python 3.12, and runs on 3.11; its one dependency, cffi, others bring.
test-charts: $(VENV)/.installed-dev
	@$(BIN)/python -c "import helm_sdkpy" 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --progress-bar off --no-deps --ignore-requires-python 'helm-sdkpy==0.1.32' || \
	  echo "Tests of the chart are skipped: helm-sdkpy cannot be had."

bench: $(VENV)/.installed-dev
	$(BIN)/python -m evals.bench
	$(BIN)/python -m evals.load --chunks 10000 --seconds 20

# LlamaIndex asks for a pypdf of its own, hence a second environment.
peer: $(VENV)/.installed-dev .venv-peer/.installed
	$(BIN)/python -m evals.peers $(DOCUMENTS) --python .venv-peer/bin/python

.venv-peer/.installed:
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/python -m pip install --quiet --progress-bar off $(TORCH)
	.venv-peer/bin/python -m pip install --quiet --progress-bar off llama-index-core llama-index-readers-file \
	  llama-index-embeddings-huggingface llama-index-vector-stores-chroma chromadb
	@touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The tested releases with the hashes of their files, for Linux and macOS.
lock: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python .ci/lock.py

# Known vulnerabilities of these releases; 0 where the database is out of reach, with a line that says so.
audit: $(VENV)/.installed-dev
	@$(BIN)/python -m pip install --quiet --progress-bar off pip-audit || true  # audit.py says what is missing
	$(BIN)/python .ci/audit.py

sbom: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet cyclonedx-bom
	$(BIN)/cyclonedx-py environment $(BIN)/python --output-file sbom.json

clean:
	rm -rf $(VENV) .venv-peer .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Footnote needs Python 3.11 or newer; $$($(PYTHON) --version) was found. Name another: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.torch: | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --progress-bar off $(TORCH)
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.torch
	$(BIN)/python -m pip install --quiet --progress-bar off -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.torch
	$(BIN)/python -m pip install --quiet --progress-bar off -e '.[dev]'
	@touch $@ $(VENV)/.installed
