PYTHON ?= python3
CHROMIUM ?= chromium
BIN := .venv/bin
# Nothing but files whose hashes are known, and nothing that would have to be built by tools that are not.
LOCKED := --quiet --require-hashes --no-deps --only-binary :all:

PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4
# A file's tests stay with one process, since those of a notebook run in one kernel.
SUITE := CUDA_VISIBLE_DEVICES= $(PYTEST) --dist loadfile
QUICK := charts claims data experiments house model progress registration render setup stats store verdicts

.PHONY: book lint quick test test-reruns notebooks refresh wasm bench gpu manifest pdf lock clean

book: book/_static/vega.js book/_static/models/showcase.js  ## the book, at _build/html/index.html
	echo "window.bookCommit = '$$(git rev-parse --short HEAD 2>/dev/null)';" > book/_static/commit.js
	$(BIN)/jupyter-book build --all -q -W -n --keep-going .

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

test: book .venv/cluster lint  ## everything that must pass
	$(BIN)/python -m lib check
	$(BIN)/python -m lib check results/showcase
	$(SUITE)

quick: lint  ## lint, types, and the tests that need neither training nor a browser (a minute)
	$(SUITE) -q -m "not slow" $(QUICK:%=tests/test_%.py)

test-reruns: .venv/ready  ## every notebook with many other parameters (half an hour or more; nightly)
	$(PYTEST) -q -m reruns tests/test_reruns.py

notebooks: .venv/ready  ## run every notebook anew
	$(BIN)/python -m lib.book

refresh: manifest notebooks  ## after runs were added or merged: all pages anew, and a list of what on them no longer holds
	$(BIN)/python -m pytest -q --tb=line -o addopts= tests/test_recomputation.py tests/test_notebooks.py

wasm: .venv/ready  ## compile lib/model/fused.cpp for the laboratory, where it has changed
	$(BIN)/pip install $(LOCKED) -r requirements-wasm.lock
	$(BIN)/python -m lib.book.browser

gpu: .venv/ready  ## MLT's registered runs on a GPU, and the tests that need one, into results/gpu; TIME_BUDGET=9m
	$(BIN)/python benchmarks/gpu.py $(if $(TIME_BUDGET),--time-budget $(TIME_BUDGET))

manifest: .venv/ready  ## list the digests of the stored runs, once all of them are sound
	$(BIN)/python -m lib check
	cd results && sha256sum runs/*.parquet > runs.sha256
	$(BIN)/python -m lib table

bench: .venv/ready  ## speed beside other implementations; REFERENCE=PATH adds the paper's public code
	$(BIN)/python benchmarks/bench.py $(if $(REFERENCE),--reference $(REFERENCE))

# The pages name their styles and scripts as seen from the folder above the root page's.
pdf: book  ## the whole book as _build/book.pdf (needs Chromium)
	$(BIN)/jupyter-book build --builder singlehtml -q .
	cp _build/singlehtml/notebooks/index.html _build/singlehtml/book.html
	$(CHROMIUM) --headless --no-sandbox --disable-gpu --no-pdf-header-footer --virtual-time-budget=60000 \
		--print-to-pdf=_build/book.pdf "file://$(CURDIR)/_build/singlehtml/book.html" 2>/dev/null

# torch and what it needs of CUDA are apart: a machine may be offered the build for CPUs or that of PyPI.
lock:  ## pin everything with hashes, for every platform (needs uv); the build for CPUs is pinned by hand
	uv pip compile requirements.txt --universal --generate-hashes --no-header -q -o requirements.lock
	awk '/^[a-z]/ { cuda = /^(torch|triton|nvidia|cuda)[-=]/ } { print > (cuda ? "requirements-cuda.lock" : "rest.lock") }' requirements.lock
	mv rest.lock requirements.lock
	uv pip compile requirements-cluster.txt -c requirements.lock --universal --generate-hashes --no-header -q -o requirements-cluster.lock

clean:
	rm -rf _build book/_static/models book/_static/commit.js book/_static/vega.js book/_static/themes.js book/_static/tex-svg.js

# An environment belongs to a Python and to a place: where either has changed, it is made anew.
HERE := $(realpath .venv) $(shell $(PYTHON) -c "import sys; print('%d.%d' % sys.version_info[:2])")
ifneq ($(HERE),$(shell cat .venv/made 2>/dev/null))
.PHONY: .venv/ready
endif

# The environment finds `lib` from any folder: four folders above its packages stands the checkout.
.venv/ready: requirements.lock requirements-cpu.lock requirements-cuda.lock
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 14) else \
		'$(PYTHON) is Python %d.%d, but 3.11 to 3.14 are needed; make PYTHON=python3.12 takes another one.' % v)"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install $(LOCKED) -r requirements.lock
	$(BIN)/pip install $(LOCKED) -r requirements-cpu.lock 2>/dev/null || $(BIN)/pip install $(LOCKED) -r requirements-cuda.lock
	$(BIN)/python -c "import sysconfig; open(sysconfig.get_path('purelib') + '/checkout.pth', 'w').write('../../../..')"
	$(BIN)/python -c "import os, sys; open('.venv/made', 'w').write('%s %d.%d' % (os.path.realpath('.venv'), *sys.version_info[:2]))"
	touch $@

.venv/cluster: .venv/ready requirements-cluster.lock  ## Ray, which is needed on a cluster only
	$(BIN)/pip install $(LOCKED) -r requirements-cluster.lock
	touch $@

book/_static/vega.js: .venv/ready lib/charts/style.py lib/book/render.py
	$(BIN)/python -m lib.book.render

book/_static/models/showcase.js: .venv/ready lib/book/models.py $(wildcard lib/data/*.py) lib/experiments/showcase.py $(wildcard results/showcase/weights/*)
	$(BIN)/python -m lib.book.models
