"""Build the Cython modules: every `.pyx` below a package becomes an extension beside its source.

All else about the distribution is declared in pyproject.toml.  `BEDROCK_DEBUG=1` builds with bounds
checks and without optimisation.
"""

import os
import platform
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGES = "bedrock kvstore minidb kafkalite tsdb hdfs_sim query_planner chat".split()
DEBUG = os.environ.get("BEDROCK_DEBUG") == "1"
JOBS = os.cpu_count() or 1

flags = ["-O0", "-g"] if DEBUG else ["-O2", "-fno-semantic-interposition"]
if platform.machine() == "x86_64":
    flags.append("-march=x86-64-v2")

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

setup(
    ext_modules=cythonize(
        extensions,
        nthreads=JOBS,
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "embedsignature": True,
            "binding": True,
        },
    ),
    options={"build_ext": {"parallel": JOBS, "inplace": True}},
)
