"""The programs that the checks need, fetched into build/tools at their first
use. A test that cannot have them is skipped with the reason."""

import contextlib
import fcntl
import functools
import glob
import json
import os
import shutil
import subprocess
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
TOOLS = os.path.join(ROOT, "build", "tools", "kubernetes")
# Types and validators of Kubernetes and of the Prometheus operator.
PACKAGES = {"kubernetes-models": "5.1.0",
            "@kubernetes-models/prometheus-operator": "6.0.0",
            "typescript": "7.0.2"}
SECONDS = 200


@contextlib.contextmanager
def _lock():
    """Of several tests one fetches, and the others wait."""
    os.makedirs(TOOLS, exist_ok=True)
    with open(os.path.join(TOOLS, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command, **options):
    subprocess.run(command, check=True, timeout=SECONDS,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **options)


def fetched(what):
    """Makes a function that fetches into one that does so once, and that skips
    the calling test, now and later, if it cannot."""
    def decorate(fetch):
        @functools.lru_cache(maxsize=None)
        def outcome():
            try:
                with _lock():
                    return fetch(), None
            except (OSError, subprocess.SubprocessError) as error:
                return None, f"NOT CHECKED: {what} cannot be had here: {error}"

        @functools.wraps(fetch)
        def result():
            value, fault = outcome()
            if fault:
                raise unittest.SkipTest(fault)
            return value
        return result
    return decorate


@fetched("kubectl (Debian's kubernetes-client)")
def kubectl():
    """The one on PATH, or else Debian's, unpacked and not installed: its
    package and the vendor's own hold the same file."""
    if shutil.which("kubectl"):
        return "kubectl"
    folder = os.path.join(TOOLS, "debian")
    program = os.path.join(folder, "usr", "bin", "kubectl")
    if not os.path.exists(program):
        os.makedirs(folder, exist_ok=True)
        _run("apt-get", "download", "kubernetes-client", cwd=folder)
        for package in glob.glob(os.path.join(folder, "*.deb")):
            _run("dpkg-deb", "--extract", package, folder)
    return program


def _has_package(package, version):
    path = os.path.join(TOOLS, "node_modules", package, "package.json")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)["version"] == version
    except (OSError, ValueError):
        return False


@fetched(f"npm's {', '.join(PACKAGES)}")
def have_packages():
    """Makes sure that TOOLS has the packages of npm."""
    if not all(_has_package(*package) for package in PACKAGES.items()):
        _run("npm", "install", "--no-save", "--no-audit", "--no-fund",
             "--prefix", TOOLS,
             *(f"{name}@{version}" for name, version in PACKAGES.items()))
