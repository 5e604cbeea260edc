"""Builds the Python package as its users do, in a copy of its sources."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "client" / "python"


def skip_reason():
    """What a build lacks here, or None."""
    for module in ("grpc", "numpy", "pip", "setuptools", "wheel"):
        if not importlib.util.find_spec(module):
            return f"python3-{module} is not installed"
    for program in ("protoc", "grpc_python_plugin"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def exit_unless_buildable():
    """Ends a test program as skipped where the package cannot be built."""
    reason = skip_reason()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)


def run(*command, **options):
    """Runs a command; an AssertionError with its output if it fails."""
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, **options)
    if done.returncode:
        raise AssertionError(f"{command} exits with {done.returncode}:\n"
                             f"{done.stdout}")
    return done.stdout


def copy_sources(folder):
    """The package in a tree of its own: a build writes beside its sources."""
    tree = pathlib.Path(folder, "tree")
    shutil.copytree(ROOT / "proto", tree / "proto")
    shutil.copytree(PACKAGE, tree / "client" / "python",
                    ignore=shutil.ignore_patterns("build", "*.egg-info",
                                                  "__pycache__"))
    return tree / "client" / "python"


def build_wheel(source, folder, **options):
    """The wheel of an unpacked source or an sdist; no registry is asked."""
    run(sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps",
        "--no-build-isolation", "--wheel-dir", folder, source, **options)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    return wheel


def import_from_wheel():
    """Makes adv_client importable, for the module's tests."""
    exit_unless_buildable()
    folder = tempfile.mkdtemp(prefix="adv-client-")
    unittest.addModuleCleanup(shutil.rmtree, folder)
    wheel = build_wheel(copy_sources(folder), os.path.join(folder, "wheel"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(os.path.join(folder, "site"))
    sys.path.insert(0, os.path.join(folder, "site"))
