# book · test · lab · lint · format · bench · gpu · shots: each sets up what it needs, then does its one thing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Seconds that `make gpu` may take. What is not done by then, the next `make gpu` continues.
LIMIT ?= 540
# CI installs the tested versions; everyone else the newest that requirements.txt allows.
CONSTRAINTS := $(if $(CI),-c constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup book test lab lint format bench gpu shots clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: $(STAMP)  ## install everything into .venv

$(STAMP): requirements.txt pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=python3.12, say." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. Install it: sudo apt-get install python3-venv" >&2; exit 1; }
	@command -v cc >/dev/null || echo "Note: no C compiler, so torch.compile will not work on the CPU. To install one: sudo apt-get install build-essential"
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install -q --upgrade pip
	$(RUN)/python -m pip install -q -r requirements.txt $(CONSTRAINTS)
	@touch $@

book: $(STAMP)  ## build the book, every chapter executed, warnings are errors
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/jupyter-book build book/ -W --keep-going || { rm -rf book/_build/html book/_build/.doctrees; exit 1; }
	@echo "The first page: file://$(CURDIR)/book/_build/html/index.html"

test: $(STAMP)  ## run every chapter at budget smoke, and every test
	PATH="$(CURDIR)/$(RUN):$$PATH" OMP_NUM_THREADS=1 $(RUN)/python -m pytest --nbmake book/ -n 2
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m pytest tests -n 3 -p no:nbmake
	@$(RUN)/python tests/missing.py

lab: $(STAMP)  ## open the chapters in JupyterLab
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/jupyter lab --notebook-dir=book/chapters

lint: $(STAMP)  ## ruff, biome for the page's modules, and the notebooks' own rules
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/biome format .
	$(RUN)/python book/_ext/notebooks.py --check
	$(RUN)/python book/_ext/chapters.py --check

format: $(STAMP)  ## put code and notebooks into the one form
	$(RUN)/ruff check --fix-only .
	$(RUN)/ruff format .
	$(RUN)/biome format --write .
	$(RUN)/python book/_ext/notebooks.py
	$(RUN)/python book/_ext/chapters.py

bench: $(STAMP)  ## measure this machine: the quickstart and a training step
	$(RUN)/python -m dit_lite bench step
	$(RUN)/python -m dit_lite bench quickstart

gpu: $(STAMP)  ## run on a GPU, for LIMIT seconds, what is pending; leaves gpu-results.tar.gz
	$(RUN)/python -m dit_lite experiment run --pending --budget gpu --time-limit $(LIMIT) --archive gpu-results.tar.gz

shots: $(STAMP)  ## pictures of every page, wide and narrow, light and dark, in build/shots
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python tests/book/shots.py

clean:  ## remove what was built
	rm -rf book/_build
