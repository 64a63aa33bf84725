#!/bin/sh
# `make check`: style, types and layers.  Run with the environment's bin directory on PATH.
status=0
step() { echo "== $*"; "$@" || status=1; }
step ruff check --quiet .
step cython-lint --no-pycodestyle $(git ls-files '*.pyx' '*.pxd')
step mypy --no-error-summary
step lint-imports
exit $status
