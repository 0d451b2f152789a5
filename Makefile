# Two commands carry everything: `make repro` (the whole journey) and `make test`.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export NO_ALBUMENTATIONS_UPDATE := 1
# Cached bytecode halves the start of every stage; a machine that forbids it is overruled for this project.
unexport PYTHONDONTWRITEBYTECODE

# A file at a time, in the order of tests/conftest.py: the longest files begin first.
# More processes than the two cores that tests are written for: those that start programs often wait for them.
TEST_PROCESSES ?= 4
PYTEST := pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: help setup data-as-recorded recorded-run repro rerun retry record lint check test coverage requirements clean

help:
	@echo "make repro     set up, fetch the recorded run, run each stage whose inputs changed since, and show the results"
	@echo "make rerun     the same without the recorded run: every stage runs on the sample"
	@echo "make retry     ask again for what failed for a retriable reason, then the same as make repro"
	@echo "make record    record this run for others: dvc.lock, metrics/ and sample-remote/, to be committed together"
	@echo "make check     set up, then lint, types and the quick tests: no server, browser, DVC or training"
	@echo "make test      set up, then lint, types and all tests"
	@echo "make coverage  run all tests, and print the lines and branches that they cover, by package"
	@echo "make setup     only make the Python environment in $(VENV)"
	@echo "make clean     remove what the pipeline built; data/ and its history stay"

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is none; name one: make PYTHON=python3.11"; exit 2; }
	@echo "==> Python environment in $(VENV) (the first time, a few minutes and about 6 GB)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --compile-bytecode -r requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	@touch $@

# Otherwise `dvc repro` would take half a pull, or the data of an older commit, for people's new work and record it.
data-as-recorded: $(READY)
	@test -d data || { echo "==> dvc pull: data/, from the remote"; dvc pull --quiet data.dvc; }
	@dvc status --quiet data.dvc || { \
		echo "data/ is not what data.dvc records. To record it: dvc add data. To go back: dvc pull --force data.dvc"; exit 2; }

# What the recorded run made. Stages that train or crawl would make other bytes on another machine, so that git would
# no longer be clean. Without the objects, the stages run.
recorded-run: $(READY) data-as-recorded
	@test -d build || { echo "==> dvc pull: the recorded run, from the remote"; dvc pull --quiet --allow-missing; }

repro: $(READY) data-as-recorded recorded-run
	@echo "==> dvc repro: every stage whose inputs changed"
	@dvc repro
	@mtf summary

# One thread, as for `make record`: with another number, trained weights have other last bits.
rerun: $(READY) data-as-recorded clean
	@echo "==> dvc repro --force: every stage, with one thread"
	@OMP_NUM_THREADS=1 dvc repro --force --no-run-cache
	@mtf summary

# The web is no input that DVC could see change, so `make repro` leaves a finished crawl alone.
retry: $(READY) data-as-recorded
	@echo "==> dvc repro: the crawl again, for its retriable failures"
	@dvc repro --force --single-item crawl
	@$(MAKE) --no-print-directory repro

# One thread, so that a machine with more cores records the same figures. The remote holds this run's objects alone: a
# checkout of an older commit has that commit's.
record: $(READY) data-as-recorded
	@echo "==> dvc repro: every stage whose inputs changed, with one thread"
	@OMP_NUM_THREADS=1 dvc repro
	@echo "==> dvc push: the run's objects, to sample-remote/"
	@rm -rf sample-remote/files
	@dvc push --quiet --remote sample
	@dvc status --quiet
	@git add data.dvc dvc.lock metrics sample-remote
	@echo 'Next: git commit -m "metrics: the sample, run anew"'

lint: $(READY)
	@echo "==> ruff: lint and format"
	@ruff check --quiet .
	@ruff format --quiet --check .
	@echo "==> lint-imports: no package imports one above it"
	@lint-imports --no-logo --no-cache
	@echo "==> mtf deps: dvc.yaml names the code that its stages run"
	@mtf deps --check
	@echo "==> ty: types"
	@ty check --quiet src
	@echo "==> reuse: every file has a license"
	@reuse lint --quiet

# Processes of tests share the cores: threads that wait for each other would only slow them.
check test coverage: export OMP_NUM_THREADS := 1
check test coverage: export OPENBLAS_NUM_THREADS := 1
check test coverage: export OPENCV_FOR_THREADS_NUM := 1

check: lint data-as-recorded
	@echo "==> pytest: the quick tests"
	@$(PYTEST) -m "not (browser or mongodb or train or dvc or ssh or ray or real)"

test: lint data-as-recorded
	@echo "==> pytest"
	@$(PYTEST)

# Measuring costs time, so that `make test` does without.
coverage: $(READY) data-as-recorded
	@echo "==> pytest, measured"
	@rm -rf build/coverage
	@coverage run -m $(PYTEST)
	@coverage combine --quiet
	@python tests/coverage_by_package.py

requirements:
	@echo "==> pinning the dependencies of pyproject.toml; no addresses are recorded"
	$(VENV)/bin/uv pip compile pyproject.toml --group dev --extra all --extra s3 --extra ssh --extra dlib --extra ray --extra gradients --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --quiet -o requirements.txt

clean:
	rm -rf build plots
