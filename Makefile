# book · test · quick · lab · lint · format · bench · gpu · floor · shots: each sets up what it needs, then does its one thing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
READER := $(VENV)/.reader
TESTER := $(VENV)/.tester
# Seconds that `make gpu` may take. What is not done by then, the next `make gpu` continues.
LIMIT ?= 540
# What `make quick` leaves out.
QUICK := --ignore=tests/book --ignore=tests/gpu -m "not process" -p no:nbmake
# Where torch comes from, if not from PyPI: https://download.pytorch.org/whl/cpu has it without CUDA.
TORCH_INDEX ?=
# CI installs the tested versions; everyone else the newest that requirements.txt allows.
CONSTRAINTS := $(if $(CI),-c constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup book test quick lab lint format bench gpu floor shots clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: $(READER)  ## install into .venv what it takes to read, run and build the book

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=python3.12, say." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. Install it: sudo apt-get install python3-venv" >&2; exit 1; }
	@command -v cc >/dev/null || echo "Note: no C compiler, so torch.compile will not work on the CPU. To install one: sudo apt-get install build-essential"
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install -q --upgrade pip

$(READER): requirements.txt pyproject.toml constraints.txt | $(VENV)/bin/python
	$(if $(TORCH_INDEX),$(RUN)/python -m pip install -q torch torchvision --index-url $(TORCH_INDEX) $(CONSTRAINTS))
	$(RUN)/python -m pip install -q -r requirements.txt $(CONSTRAINTS)
	@touch $@

$(TESTER): requirements-test.txt $(READER)
	$(RUN)/python -m pip install -q -r requirements-test.txt $(CONSTRAINTS)
	@touch $@

book: $(READER)  ## build the book, every chapter executed, warnings are errors
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/jupyter-book build book/ -W --keep-going || { rm -rf book/_build/html book/_build/.doctrees; exit 1; }
	@echo "The first page: file://$(CURDIR)/book/_build/html/index.html"

test: $(TESTER)  ## run every chapter at budget smoke, and every test
	PATH="$(CURDIR)/$(RUN):$$PATH" OMP_NUM_THREADS=1 $(RUN)/python -m pytest --nbmake book/ -n 2
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m pytest tests -n 3 -p no:nbmake
	@$(RUN)/python tests/missing.py

quick: $(TESTER)  ## the tests that need no browser, no chapter and no other process: two minutes
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest tests $(QUICK) -n 2

lab: $(READER)  ## open the chapters in JupyterLab
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/jupyter lab --notebook-dir=book --LabApp.default_url=/lab/tree/chapters

lint: $(TESTER)  ## ruff, biome for the page's modules, and the notebooks' own rules
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/biome format .
	$(RUN)/python book/_ext/notebooks.py --check
	$(RUN)/python book/_ext/chapters.py --check

format: $(TESTER)  ## put code and notebooks into the one form
	$(RUN)/ruff check --fix-only .
	$(RUN)/ruff format .
	$(RUN)/biome format --write .
	$(RUN)/python book/_ext/notebooks.py
	$(RUN)/python book/_ext/chapters.py

bench: $(TESTER)  ## measure this machine: the quickstart and a training step
	$(RUN)/python -m dit_lite bench step
	$(RUN)/python -m dit_lite bench quickstart

gpu: $(READER)  ## run on a GPU, for LIMIT seconds, what is pending; leaves gpu-results.tar.gz
	$(RUN)/python -m dit_lite experiment run --pending --budget gpu --time-limit $(LIMIT) --archive gpu-results.tar.gz

floor:  ## make quick on the lowest versions that pyproject.toml admits, in .venv-floor
	$(PYTHON) .ci/floor.py > floor.txt
	$(MAKE) quick VENV=.venv-floor CONSTRAINTS="-c floor.txt"

shots: $(TESTER)  ## pictures of every page, wide and narrow, light and dark, in build/shots
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python tests/book/shots.py

clean:  ## remove what was built
	rm -rf book/_build
