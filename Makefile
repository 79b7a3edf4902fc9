# make demo | test | torture | study | bench | gpu-check | lint | setup | schema | lock | clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The GPU extra where an NVIDIA driver answers, else the CPU extra.
EXTRA := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
INSTALLED := $(VENV)/.installed-$(EXTRA)
# Types of the explorer's JavaScript; users need no Node.
TSC := npm_config_fetch_retries=0 npm_config_fetch_timeout=30000 npx --yes --package typescript@5.9.3 tsc
GPU_PYTHON := $(firstword $(wildcard $(BIN)/python) $(PYTHON))
# The study's features where it was run, else synthetic ones of the same shape.
GPU_INPUT := $(if $(wildcard results/mnist_mobilenetv2/MobileNetV2/after/features.npy),features,mixture1280)

.PHONY: demo test torture study bench gpu-check bench-report lint setup schema lock clean
.DELETE_ON_ERROR:

demo: $(INSTALLED)  ## the whole pipeline on embedded data: digits, and a small backbone
	$(BIN)/tunescope demo

study: $(INSTALLED)  ## config/config.yaml: MNIST, five backbones, six methods
	$(BIN)/tunescope study config/config.yaml

test: $(INSTALLED)  ## all tests that need no GPU and no real data
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

torture: $(INSTALLED)  ## the demo, bad inputs, trials on awkward data, kills in every step: an hour
	$(BIN)/python -m tests.torture

bench: $(INSTALLED)  ## our engines and their peers, an hour; `pip install .[bench]` adds more peers
	$(BIN)/python -m bench run --profile cpu --resume
	$(BIN)/python -m bench run --profile peers --resume

# Needs no installation where Python has a few packages, see README.md: neither Keras nor Snakemake.
# A test that fails does not keep the benchmarks from running, but is not forgotten.
gpu-check:  ## on a GPU: its tests, then the benchmark profile, one file under bench/results
	$(GPU_PYTHON) -m pytest -m gpu; tests=$$?; \
	$(GPU_PYTHON) -m bench run --profile gpu --resume --input $(GPU_INPUT) && exit $$tests

bench-report: $(INSTALLED)  ## tables and plots from the committed results
	$(BIN)/python -m bench report

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check --diff Snakefile pipeline/workflow
	@if $(TSC) --version >/dev/null 2>&1; then $(TSC) --project pipeline/report/explorer/web; \
		else echo "no Node, or no TypeScript to be had: the types of the explorer are not checked"; fi

setup: $(INSTALLED)

schema: $(INSTALLED)  ## config/config.schema.yaml from the code that validates
	$(BIN)/python -m pipeline.config > config/config.schema.yaml

$(INSTALLED): requirements/$(EXTRA).txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "error: $(PYTHON) is not Python 3.11 to 3.13: run make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Setting up $(VENV): a few minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/$(EXTRA).txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	find kernels -name '*.nb[ic]' -delete
	touch $@

lock:  ## pin every dependency again, from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra cpu --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet --upgrade -o requirements/cpu.txt
	$(BIN)/uv pip compile pyproject.toml --extra gpu --extra dev --python-platform linux \
		--python-version 3.11 --generate-hashes --no-annotate --no-header --quiet --upgrade \
		-o requirements/gpu.txt

clean:  ## what was computed; downloads in resources/ and the environment stay
	rm -rf results logs benchmarks .snakemake
