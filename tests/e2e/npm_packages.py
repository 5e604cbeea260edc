"""Packages of npm for tests, kept in build/tools beside those of ./dev."""

import json
import os
import shutil
import subprocess
import unittest

from harness import ROOT

SECONDS = 240


def installed(folder):
    """{name: version} of the packages in a folder's node_modules."""
    found = {}
    try:
        with open(os.path.join(folder, "node_modules", ".package-lock.json"),
                  encoding="utf-8") as file:
            packages = json.load(file)["packages"]
    except FileNotFoundError:
        return found
    for place, package in packages.items():
        found[place.removeprefix("node_modules/")] = package["version"]
    return found


def install(packages, name=""):
    """The node_modules of build/tools/NAME, with these {name: version} in it.
    Skips the test that calls it if they cannot be had."""
    folder = os.path.join(ROOT, "build", "tools", name)
    if not packages.items() <= installed(folder).items():
        if not shutil.which("npm"):
            raise unittest.SkipTest("NOT CHECKED: npm is not installed")
        done = subprocess.run(
            ["npm", "install", "--no-save", "--no-audit", "--no-fund",
             "--ignore-scripts", "--prefix", folder,
             *(f"{package}@{version}" for package, version in
               packages.items())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise unittest.SkipTest(
                f"NOT CHECKED: npm cannot install {', '.join(packages)}: "
                f"{done.stdout}")
    return os.path.join(folder, "node_modules")
