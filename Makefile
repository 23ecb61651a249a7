# make serve    serve on http://127.0.0.1:8000 (HOST, PORT from the environment)
# make test     checks, tests and coverage
# make install  build .venv with everything
# make report   measure the shipped weights, rebuild docs/report and the figures of MODEL_CARD.md; needs the scans
# make load     64 clients for two minutes against the real server: docs/load.md (CLIENTS, SECONDS)
# make bench    ratios against TensorFlow and others, a quarter of an hour on a quiet machine: docs/benchmarks.md
# make replay   what Dockerfile and compose.yaml say, where there is no container engine: docs/deployment.md
# make fuzz     mutated files for ten minutes (SECONDS, SEED): what is not answered by a sentence is kept in tests/fuzz/found
# make check    format, lint, types; changes nothing
# make fix      format, and mend what the linter can

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
export HOST PORT

BIN := .venv/bin
SOURCES := app.py wsgi.py gunicorn.conf.py model webapp training tests benchmarks deploy

.PHONY: serve test install report load bench replay fuzz check fix

serve: .venv/serve.done
	$(BIN)/gunicorn --config gunicorn.conf.py wsgi:app

test: check
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov --cov-report=term-missing:skip-covered $(ARGS)

install: .venv/all.done

# How many slices with and without lesion each perturbation is tried on.
ROBUSTNESS ?= 24
SCANS = $(or $(GROUNDGLASS_DATA),../shared/data)

report: .venv/all.done
	$(BIN)/python -m training.evaluate --no-pictures --robustness $(ROBUSTNESS) --out docs/report
	$(BIN)/python -m training.screen --manifest $(SCANS)/ct-extra/index.csv --only patient=P001 --present infection=1 \
		--out docs/report/slice-labels.json
	$(BIN)/python -m training.card --card model/weights/groundglass-2.json --report docs/report
	$(BIN)/python -m training.model_card --labels docs/report/slice-labels.json

CLIENTS ?= 64

load: SECONDS ?= 120
load: .venv/serve.done
	$(BIN)/python -m benchmarks.load --clients $(CLIENTS) --seconds $(SECONDS) --out docs

bench: .venv/bench.done
	GROUNDGLASS_DATA=$(SCANS) $(BIN)/python -m benchmarks.bench --out docs

replay: .venv/all.done
	$(BIN)/python -m deploy.replay

fuzz: SECONDS ?= 600
fuzz: .venv/all.done
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(or $(SEED),0)

check: .venv/all.done
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

fix: .venv/all.done
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# pip comes last, so an environment that was left half built is built again.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "venv is missing: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv

.venv/serve.done: requirements-serve.txt constraints.txt | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-serve.txt
	@touch $@

# The whole set holds the serving set, so this marks both.
.venv/all.done: $(wildcard requirements*.txt) constraints.txt | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt
	@touch .venv/serve.done $@

.venv/bench.done: requirements-bench.txt .venv/all.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-bench.txt
	@touch $@
