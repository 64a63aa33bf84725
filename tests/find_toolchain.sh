#!/bin/sh
# Say in one line what is missing to build: Python 3.11 or newer, venv, Python.h, a C compiler.
python=$1
missing() { echo "bedrock needs $1: apt-get install $2" >&2; exit 1; }

command -v "$python" >/dev/null || missing "Python 3.11 or newer" python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    missing "Python 3.11 or newer ($("$python" --version 2>&1) found)" python3
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing "Python's venv" python3-venv
"$python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
    missing "Python.h" python3-dev
command -v "${CC:-cc}" >/dev/null || missing "a C compiler" build-essential
