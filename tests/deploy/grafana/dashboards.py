"""Reads the dashboards and puts values in the place of Grafana's variables."""

import glob
import json
import os
import re
from collections import namedtuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
DEPLOY = os.path.join(ROOT, "deploy")

# instant: asked for one moment, not for a span of time.
Expression = namedtuple("Expression", "place text instant")

LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)$")
STRINGS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
NAME = re.compile(r"__name__=~?['\"]([^'\"]+)['\"]")
GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
WORD = re.compile(r"(?<![\w.:$])[A-Za-z_:][\w:]*(?!\s*\()(?![\w:])")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on",
            "ignoring", "group_left", "group_right", "inf", "nan"}


def read_all():
    """{file name: dashboard}"""
    paths = sorted(glob.glob(
        os.path.join(DEPLOY, "grafana", "dashboards", "*.json")))
    dashboards = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            dashboards[os.path.basename(path)] = json.load(file)
    return dashboards


def panels(dashboard):
    """Its panels without the rows."""
    return [p for p in dashboard["panels"] if p["type"] != "row"]


def variables(dashboard):
    """[(name, series selector, label)] of the variables that are queries."""
    found = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            found.append((variable["name"],
                          *LABEL_VALUES.match(query).groups()))
    return found


def expressions(name, dashboard):
    """Of its panels and annotations."""
    found = [Expression(f"{name}: {panel['title']} {target['refId']}",
                        target["expr"], target.get("instant", False))
             for panel in panels(dashboard) for target in panel["targets"]]
    return found + [Expression(f"{name}: annotation {a['name']}", a["target"]["expr"],
                               False)
                    for a in dashboard["annotations"]["list"]]


def substitute(text, values):
    """`text` with `values` ({name: text}) for $name, as Grafana does it."""
    for name in sorted(values, key=len, reverse=True):  # $a does not end $ab
        text = text.replace(f"${name}", values[name])
    if "$" in STRINGS.sub("", text):
        raise ValueError(f"a variable is left in {text}")
    return text


def any_of(values):
    """What Grafana puts in the place of a variable with several values."""
    escaped = [re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", v) for v in values]
    return "(" + "|".join(escaped) + ")"


def metric_names(expression):
    """The names of the series that an expression of PromQL reads."""
    names = set()
    for alternatives in NAME.findall(expression):
        names.update(alternatives.split("|"))
    text = STRINGS.sub("", expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", text)
    text = GROUPING.sub(" ", text)
    return names | {word for word in WORD.findall(text)
                    if word.lower() not in KEYWORDS}


def selectors(expression):
    """The series selectors of an expression without their spans."""
    found = []
    for name in metric_names(expression):
        for braces in re.findall(
                rf"(?<![\w:]){re.escape(name)}(?![\w:])(\{{[^}}]*\}})?",
                expression):
            found.append(name + braces)
    return found
