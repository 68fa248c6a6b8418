PYTHON ?= python3
VENV := .venv
JOBS ?= 2
AT_ONCE = -n $(JOBS) --dist loadfile --no-loadscope-reorder
INSTALL := $(VENV)/bin/pip install --quiet --no-compile --constraint constraints.txt
RUN := OMP_NUM_THREADS=1 $(VENV)/bin/python

.PHONY: demo student test lint clean

# What each needs, and no more: the demo is there to be seen at once.
$(VENV)/demo: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable '.[standalone]'
	touch $@

$(VENV)/train: $(VENV)/demo
	$(INSTALL) --editable '.[standalone,train]'
	touch $@

$(VENV)/ready: $(VENV)/train
	$(INSTALL) --editable '.[standalone,cluster,train,test]'
	touch $@

demo: $(VENV)/demo
	$(VENV)/bin/python -m adaptive_diffusion demo

student: $(VENV)/train
	$(VENV)/bin/python -m adaptive_diffusion distill --out my-student --table

test: lint
	$(RUN) -m pytest $(AT_ONCE) tests/pure
	$(RUN) tests/run_comfyui.py $(AT_ONCE)
	$(RUN) tests/run_browser.py

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	mkdir -p .cache/mypy && ln -sfn ../.. .cache/mypy/pack
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) .cache
