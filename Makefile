PYTHON ?= python3
BIN := .venv/bin

.PHONY: book test notebooks bench manifest lock clean

book: book/_static/vega.js  ## the book, at _build/html/index.html
	$(BIN)/jupyter-book build --all -q -W -n --keep-going .

test: book  ## everything that must pass
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m lib check
	CUDA_VISIBLE_DEVICES= $(BIN)/python -m pytest

notebooks: .venv/ready  ## run every notebook anew
	$(BIN)/python -m lib.book

manifest: .venv/ready  ## list the digests of the stored runs, once all of them are sound
	$(BIN)/python -m lib check
	cd results && sha256sum runs/*.parquet > runs.sha256

bench: .venv/ready  ## speed beside other implementations; REFERENCE=PATH adds the paper's public code
	$(BIN)/python benchmarks/bench.py $(if $(REFERENCE),--reference $(REFERENCE))

lock: .venv/ready  ## pin what the requirements bring along
	$(BIN)/pip freeze --exclude torch | grep -vxFf requirements.txt > requirements.lock

clean:
	rm -rf _build book/_static/vega.js book/_static/themes.js book/_static/tex-svg.js

# The environment finds `lib` from any folder: four folders above its packages stands the checkout.
.venv/ready: requirements.txt requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.txt -c requirements.lock
	$(BIN)/python -c "import sysconfig; open(sysconfig.get_path('purelib') + '/checkout.pth', 'w').write('../../../..')"
	touch $@

book/_static/vega.js: .venv/ready lib/charts/style.py lib/render.py
	$(BIN)/python -m lib.render
