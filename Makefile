# The project's commands. `make demo` and `make test` set up everything that they need.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
EXTRAS := generators,environments,hdf5,flows,onnx,ray,statistics,tensorboard,notebook,test,lint,docs

.PHONY: setup demo test test-all nightly circuits lint types bench docs clean

setup: $(VENV)/.complete

$(VENV)/.complete: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@

demo: setup
	$(BIN)/bunchtrain run top_tagging --size demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile

# All tests, those on a Slurm and a Ray cluster too; they need `apt-get install slurm-wlm munge`.
test-all: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile -m 'not circuits and not nightly'

# Property tests with many examples, coverage with many toys, kills, malformed inputs: hours.
nightly: setup
	BUNCHTRAIN_EXAMPLES=10000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses=4 -m 'property or nightly'

# One tiny network through gates: traced, simulated, synthesised, placed and routed.
circuits: $(VENV)/.circuits
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m circuits tests/deployment

$(VENV)/.circuits: $(VENV)/.complete
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[circuits]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

bench: setup .peers/.complete
	$(BIN)/python -m benchmarks $(ONLY)

# What we measure ourselves against; nothing else needs it.
.peers/.complete:
	$(BIN)/pip install --quiet --no-deps --target .peers/weaver weaver-core==0.5.3 awkward0==0.15.5 numba==0.68.1 llvmlite==0.50.0 numexpr==2.14.2 tqdm pelican-lite==1.1.4 lgatr==2.0.0
	-curl -fsSL -o .peers/weaver/example_PFN.py https://raw.githubusercontent.com/jet-universe/particle_transformer/512fcd14b3a0e1e0487c6f357b9c72858d14d26d/networks/example_PFN.py
	$(PYTHON) -m venv .peers/energyflow
	.peers/energyflow/bin/pip install --quiet energyflow 'numpy<2'
	touch $@

docs: setup
	$(BIN)/python docs/reference.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .peers build dist site
