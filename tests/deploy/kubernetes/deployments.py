"""What is applied to a cluster, and all faults of it."""

import os
import re

import yaml

import references
import settings
from references import of_kind
from rendering import MANIFESTS
from tools import ROOT

# What is applied to one cluster together.
DEPLOYMENTS = {
    "cpu": ("namespace", "overlays/cpu", "overlays/cpu-training", "client"),
    "gpu": ("namespace", "overlays/gpu", "overlays/gpu-training", "client")}


def version():
    with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
        return re.search(r"project\(adv VERSION (\S+)", file.read())[1]


def adapter_rule():
    path = os.path.join(MANIFESTS, "monitoring", "adapter.yaml")
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)["rules"]["custom"][0]


def documented_metrics():
    """The server's metrics by its README, where histograms have one name."""
    path = os.path.join(ROOT, "server", "README.md")
    with open(path, encoding="utf-8") as file:
        return set(re.findall(r"`(adv_\w+)`", file.read()))


def autoscaler_faults(objects, rule):
    """The autoscaler's metric is made by the adapter from one that exists."""
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            if metric["pods"]["metric"]["name"] != rule["name"]["as"]:
                yield f"the adapter does not make {metric['pods']['metric']}"
    for name in re.findall(r"adv_\w+", rule["seriesQuery"] +
                           rule["metricsQuery"]):
        if re.sub("_(sum|count|bucket)$", "", name) not in documented_metrics():
            yield f"the adapter reads {name}, which server/README.md lacks"


def faults_of(objects):
    found = []
    for check in references.CHECKS + settings.CHECKS:
        found += check(objects)
    found += settings.check_images(objects, version())
    return found + list(autoscaler_faults(objects, adapter_rule()))
