PYTHON ?= python3
VENV := .venv
JOBS ?= 2
AT_ONCE = -n $(JOBS) --dist loadfile --no-loadscope-reorder
RUN := OMP_NUM_THREADS=1 $(VENV)/bin/python

.PHONY: demo student test lint clean

$(VENV)/ready: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[standalone,cluster,train,test]'
	touch $@

demo: $(VENV)/ready
	$(VENV)/bin/python -m adaptive_diffusion demo

student: $(VENV)/ready
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
