# make book     set everything up, regenerate the chapters, build the site (the default)
# make test     set everything up if need be, and run every check
# make same     draw every page again, and fail if that changes a file of the repository
# make browser  look at every page of the built site with Chromium, without a network
# make pdf      print the whole book with Chromium, to book/_build/learning-from-noisy-labels.pdf
# make clean    remove what was built; the environment, the records and runs/ stay
#
# Nothing is done again while what it depends on is unchanged: the files in .make/ say when each step was last done.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := book
.PHONY: setup chapters book same lint test browser pdf clean

PYTHON ?= python3
BIN := .venv/bin
SITE := book/_build/html/index.html
# Bars that redraw themselves fill a log file.
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check $(if $(CI),--quiet)
# A rebuild of all pages: pages kept from an earlier build don't repeat their warnings, so -W would miss them.
BUILD := $(BIN)/jupyter-book build -q --all -W -n --keep-going

setup: .make/setup
chapters: .make/chapters

# Checked first, so that a machine that lacks something gets a sentence and no half-made environment.
$(BIN)/python:
	@fail() { echo "make: $$1" >&2; exit 1; }; \
	command -v $(PYTHON) > /dev/null || fail "There is no $(PYTHON) here; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) -V 2>&1); name another: make PYTHON=python3.11"; \
	$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || fail "$(PYTHON) can't make environments; install its venv module (on Debian and Ubuntu: apt-get install python3-venv)."
	$(PYTHON) -m venv --clear .venv

.make/setup: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -r requirements.lock
	$(PIP_INSTALL) --no-deps -e .
	$(BIN)/labelnoise data
	@mkdir -p $(@D) && touch $@

.make/chapters: .make/setup $(wildcard notebooks/*.ipynb results/*.jsonl results/benchmarks/*.json results/own/*) $(shell find src -name '*.*' -type f)
	$(BIN)/labelnoise chapter --all --publish
	@touch $@

# Sphinx leaves pages alone that did not change, so the touch is what tells make that this one is up to date.
$(SITE): .make/chapters _config.yml _toc.yml CHANGELOG.md $(shell find book -path book/_build -prune -o -type f -print)
	$(BUILD) book/
	@touch $@

book: $(SITE)
	@echo "The book is built: open $(CURDIR)/$(SITE)"

same: .make/chapters
	@changed=$$(git status --porcelain -- book results); \
	if [ -n "$$changed" ]; then echo "make: drawing the chapters again changed these files:" >&2; echo "$$changed" >&2; exit 1; fi

lint: .make/setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The chapters are checked as they stand; regenerating them first would compare them with themselves. Tests of a file
# share what they have trained, so a file stays in one process.
test: lint
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --nbval --nbval-current-env book/index.ipynb book/chapters
	$(BUILD) --path-output .make/book book/
	$(BIN)/labelnoise replay -n 3

# Apart from the other checks, as it needs a Chromium that no Python environment brings.
browser: $(SITE)
	$(BIN)/pytest browser

pdf: .make/chapters
	$(BUILD) --builder singlehtml --path-output .make/pdf book/
	@mkdir -p book/_build
	$(BIN)/python browser/pdf.py .make/pdf/_build/singlehtml book/_build/learning-from-noisy-labels.pdf

clean:
	rm -rf .make book/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
