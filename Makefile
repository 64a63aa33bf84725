# Two commands: `make run` starts all seven systems, `make test` proves them.
# Everything happens in .venv, which is made on first use.

PYTHON   ?= python3
PY       := .venv/bin/python
SEEDS    ?= 200
JOBS     ?= auto
PACKAGES := bedrock kvstore minidb kafkalite tsdb hdfs_sim query_planner chat
CYTHON   := $(shell find $(PACKAGES) \
            -name '*.pyx' -o -name '*.pxd' -o -name '*.h' 2>/dev/null)
PEERS    := redis-server redis-tools postgresql prometheus prometheus-alertmanager \
            victoria-metrics influxdb \
          influxdb-client kcat ngircd irssi tmux chromium \
          netcat-openbsd curl tcl

.PHONY: run test build check bench sim peers clean
.DEFAULT_GOAL := build

build: .venv/built
	@$(PY) -m compileall -q $(PACKAGES)

run: build
	@.venv/bin/bedrock up $(ARGS)

test: build
	@$(PY) -m pytest -n $(JOBS) -m "not slow" $(ARGS)

check: build
	@PATH="$(CURDIR)/.venv/bin:$$PATH" tests/check.sh

bench: build
	@$(PY) -m benchmarks $(ARGS)

sim: build
	@$(PY) -m bedrock.sim --seeds $(SEEDS) $(ARGS)

peers:
	@tests/install_peers.sh $(PEERS)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -path ./.venv -prune -o \( -name '*.so' -o -name '*.c' -o -name __pycache__ \) -print0 \
	    | xargs -0 rm -rf

.venv/python:
	@tests/find_toolchain.sh $(PYTHON)
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/python pyproject.toml
	@echo "installing what Bedrock stands on ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check "setuptools>=80" "cython>=3.1,<4" wheel
	@BEDROCK_METADATA_ONLY=1 $(PY) -m pip install --quiet --disable-pip-version-check \
	    --no-build-isolation --config-settings editable_mode=compat -e ".[test,check]"
	@touch $@

.venv/built: .venv/installed setup.py $(CYTHON)
	@$(PY) setup.py --quiet build_ext --inplace
	@touch $@
