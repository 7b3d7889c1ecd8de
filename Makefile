# `make demo` and `make test` do their own set-up: a Python 3.10 environment in .venv, rebuilt when pyproject.toml or
# constraints.txt changes; the latter has the exact versions that are tested.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
IS_310 := sys.version_info[:2] == (3, 10)
SPIKINGJELLIES := 0.0.0.0.12 0.0.0.0.14 2.0.0
MISSING := missing: Python 3.10 with its venv module, the only version Lava runs on \
	(install python3.10 and python3.10-venv, or `pyenv install 3.10`, or uv)

.PHONY: exhaustive fuzz help demo test quick mutations lint docs bench bench-accuracy bench-llm targets-check interop report-check clean

help:
	@echo 'make demo   convert the bundled vision transformer, run it on Lava, write out/demo'
	@echo 'make test   lint, then every test'
	@echo 'make quick  what most changes break, within a minute: arithmetic, closed form against stepper, comparison, golden demo'
	@echo 'make exhaustive  further families and grids of what the tests cover, which make test leaves out, and compiled loops in threads'
	@echo 'make mutations  breaks the code in 34 places, one at a time, and says which of them the quick tests find'
	@echo 'make lint   ruff, pyright and the direction of imports'
	@echo 'make docs   the reference site and these pages, in out/site'
	@echo 'make fuzz   2,000 damaged input files: each is read or refused in one line'
	@echo 'make bench  the measured figures in benchmarks/'
	@echo 'make targets-check  builds environments for other simulators in .tools and compares runs with theirs'
	@echo 'make interop  our exports in snnTorch, Norse, sinabs and SpikingJelly (environments in .tools); writes docs/interop.md'
	@echo '              and metrics of ours next to NeuroBench itself'
	@echo 'make bench-accuracy  what codes and ingredients are worth with trained weights (about two hours); writes docs/accuracy.md'
	@echo 'make bench-llm  SmolLM2-135M-Instruct as a spiking network: perplexity, agreement, time of a token (hours)'
	@echo 'make report-check  the pages in headless Chromium; screenshots in out/screenshots'
	@echo 'make clean  remove what these commands wrote, but for $(VENV)'

demo: $(INSTALLED)
	$(VENV)/bin/deploy convert --target lava-sim --force -o out/demo

test: lint
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadgroup

exhaustive: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 -m exhaustive
	NUMBA_NUM_THREADS=2 $(PYTHON) -m pytest -n 0 tests/evaluator/test_backends.py tests/processes/test_residual.py

quick: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 @tests/quick.txt

mutations: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PYTHON) tests/mutations.py

lint: $(INSTALLED)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pyright
	$(VENV)/bin/lint-imports --no-cache --no-logo

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

fuzz: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PYTHON) tests/fuzz.py 2000

bench: $(INSTALLED)
	$(PYTHON) -m benchmarks

targets-check: $(INSTALLED)
	$(PYTHON) -m targets.tools sana-fe brian2-loihi nengo-loihi sinabs xylo akida
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -v tests/targets/check_*.py

interop: $(INSTALLED)
	$(PYTHON) -m targets.tools sinabs spikingjelly
	OMP_NUM_THREADS=1 $(PYTHON) -m benchmarks.interop
	$(PYTHON) -m pip install --quiet --no-deps --target .tools/neurobench neurobench==2.3.0
	PYTHONPATH=.tools/neurobench OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 0 -rs -m 'exhaustive or not exhaustive' \
	    tests/deploy/energy/test_neurobench.py tests/targets/test_trained_whole.py
	for release in $(SPIKINGJELLIES); do \
	    folder=.tools/spikingjelly-$$release; \
	    $(PYTHON) -m pip install --quiet --no-deps --ignore-requires-python --upgrade --target $$folder \
	        spikingjelly==$$release loguru==0.7.3 && \
	    PYTHONPATH=$$folder OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 0 -rs tests/converters/test_trained_spikingjelly.py \
	        || exit 1; \
	done

bench-accuracy: $(INSTALLED)
	@$(INSTALL) '.[bench]'
	$(PYTHON) -m benchmarks.accuracy

bench-llm: $(INSTALLED)
	@$(INSTALL) '.[llm]'
	$(PYTHON) -m benchmarks.language --resume

report-check: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 0 -rs tests/deploy/test_browser.py

clean:
	rm -rf out build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

# A pyenv shim called python3.10 can exist and fail when run, so each candidate is tried, not looked up.
$(INSTALLED): pyproject.toml constraints.txt
	@if ! $(PYTHON) -m pip --version >/dev/null 2>&1 || ! $(PYTHON) -c 'import sys; assert $(IS_310)' 2>/dev/null; then \
	  rm -rf $(VENV); \
	  for candidate in python3.10 python3 python; do \
	    $$candidate -c 'import ensurepip, sys, venv; assert $(IS_310)' >/dev/null 2>&1 || continue; \
	    $$candidate -m venv $(VENV) && break; \
	  done; \
	  test -x $(PYTHON) || uv venv --quiet --seed --python 3.10 $(VENV) 2>/dev/null \
	    || { echo '$(MISSING)' >&2; exit 1; }; \
	fi
	@echo 'Installing into $(VENV) (about 6 GB with PyTorch; several minutes the first time) ...'
	@$(INSTALL) '.[test,simulators,docs,plots]'
	@touch $@
