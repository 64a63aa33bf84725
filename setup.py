"""Build the Cython modules: every `.pyx` below a package becomes an extension beside its source.

All else about the distribution is declared in pyproject.toml.  `BEDROCK_DEBUG=1` builds with bounds
checks and without optimisation.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGES = [
    "bedrock",
    "kvstore",
    "minidb",
    "kafkalite",
    "tsdb",
    "hdfs_sim",
    "query_planner",
    "chat",
]
DEBUG = os.environ.get("BEDROCK_DEBUG") == "1"
JOBS = os.cpu_count() or 1

# What Cython would otherwise compile into each module anew; saves a quarter of the build.
SHARED = "bedrock._cyutility"

flags = ["-O0", "-g"] if DEBUG else ["-O2", "-g0", "-fno-semantic-interposition"]
# Values are kept in unions of a word: a double is read as the bits it was stored as.
flags.append("-fno-strict-aliasing")
if platform.machine() == "x86_64":
    flags.append("-march=x86-64-v2")

if shutil.which("ccache"):
    # Checkouts beside each other share what they compile.
    os.environ.setdefault("CC", "ccache gcc")
    os.environ.setdefault("CCACHE_BASEDIR", os.getcwd())
    os.environ.setdefault("CCACHE_NOHASHDIR", "1")

shared = Path(SHARED.replace(".", "/") + ".c")
if not shared.exists():
    subprocess.run([sys.executable, "-m", "cython", f"--generate-shared={shared}"], check=True)

sources = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))
extensions = [
    Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        include_dirs=["."],
        extra_compile_args=[*flags, "-Wno-unreachable-code", "-Wno-unused-function"],
    )
    for path in sources
]


def modules():
    """The extension modules, translated to C."""
    return cythonize(
        [*extensions, Extension(SHARED, [str(shared)], extra_compile_args=flags)],
        nthreads=JOBS,
        shared_utility_qualified_name=SHARED,
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "embedsignature": True,
            "binding": True,
        },
    )


setup(
    # `make` installs the metadata first and compiles in place afterwards, once.
    ext_modules=[] if os.environ.get("BEDROCK_METADATA_ONLY") else modules(),
    options={"build_ext": {"parallel": JOBS, "inplace": True}},
)
