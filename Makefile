PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo demo-image demo-text test test-heavy sanitize check bench bench-trees docs clean
.DEFAULT_GOAL := demo

demo: $(VENV)/core  ## set everything up and audit a real model on real mortgage data
	$(BIN)/pellucid demo --out demo --force

demo-image demo-text: $(VENV)/networks  ## audit a real network of photographs, or of news
	$(BIN)/pellucid demo $(@:demo-%=%) --out demo --force

test: $(VENV)/test  ## the whole test suite
	$(BIN)/python -m pytest

test-heavy: $(VENV)/test  ## the long checks: more random models, more damaged files
	$(BIN)/python -m pytest -m heavy

SANITIZERS := -g1 -fsanitize=address,undefined -fno-sanitize-recover=all
PRELOADED = $(foreach name,libasan libstdc++,$(shell $(CXX) -print-file-name=$(name).so))

sanitize: $(VENV)/test  ## the kernels' tests with the address and undefined-behaviour sanitizers (gcc)
	rm $(VENV)/core  # what is built next is not for use
	$(BIN)/python -m pip install --quiet --no-deps --editable . --config-settings=build-dir=build/sanitized \
		--config-settings=cmake.define.CMAKE_CXX_FLAGS="$(SANITIZERS)"
	ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(PRELOADED)" $(BIN)/python -m pytest tests/kernels tests/robustness/test_tree_sizes.py

check: $(VENV)/check  ## lint, types, the import contract and the size limits
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_house.py

bench: $(VENV)/test  ## speed and accuracy beside the named peers
	$(BIN)/python -m benchmarks

bench-trees: $(VENV)/core  ## exact tree values beside every peer, resumable, up to an hour (needs Python 3.12)
	$(BIN)/python -m benchmarks.trees

docs: $(VENV)/test  ## run every example in the documentation
	$(BIN)/python -m pytest tests/docs

clean:
	rm -rf $(VENV) build dist demo

# A source that changed needs no new installation (it is editable), a kernel or dependency does.
SOURCES := pyproject.toml CMakeLists.txt $(shell find cpp -type f)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/core: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/networks: $(VENV)/core
	$(BIN)/python -m pip install --quiet --editable '.[torch,nn-demos]' --constraint constraints.txt
	touch $@

$(VENV)/test: $(VENV)/core
	$(BIN)/python -m pip install --quiet --group test --constraint constraints.txt
	touch $@

$(VENV)/check: $(VENV)/test
	$(BIN)/python -m pip install --quiet --group check
	touch $@
