"""Renders deploy/kubernetes with kubectl, as `kubectl apply -k` would."""

import copy
import functools
import glob
import os
import re
import shutil
import subprocess
import tempfile

import yaml

from tools import ROOT, kubectl

MANIFESTS = os.path.join(ROOT, "deploy", "kubernetes")


def _kubectl(*arguments):
    return subprocess.run([kubectl(), *arguments], check=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE).stdout


@functools.lru_cache(maxsize=None)
def _minor_version():
    text = _kubectl("version", "--client", "--output=json")
    return int(re.search(r'"minor": "(\d+)', text)[1])


def _with_old_words(folder):
    """Rewrites the kustomizations for kubectl before 1.21 (Debian 12's is
    1.20), whose kustomize 2.0 has other words for folders and patches."""
    pattern = os.path.join(folder, "**", "kustomization.yaml")
    for path in glob.glob(pattern, recursive=True):
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        here = os.path.dirname(path)
        folders = [name for name in content["resources"]
                   if os.path.isdir(os.path.join(here, name))]
        content["bases"] = folders
        content["resources"] = [name for name in content["resources"]
                                if name not in folders]
        content["patchesStrategicMerge"] = [
            patch["path"] for patch in content.pop("patches", [])]
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(content, file)


@functools.lru_cache(maxsize=None)
def _render(name):
    with tempfile.TemporaryDirectory(prefix="adv-kubernetes-") as scratch:
        folder = os.path.join(scratch, "kubernetes")
        shutil.copytree(MANIFESTS, folder)
        if _minor_version() < 21:
            _with_old_words(folder)
        text = _kubectl("kustomize", os.path.join(folder, name))
        return list(yaml.safe_load_all(text))


def render(*names):
    """The objects of these folders of deploy/kubernetes, the caller's own."""
    return [copy.deepcopy(manifest) for name in names
            for manifest in _render(name)]
