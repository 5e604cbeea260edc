"""Holds objects to the schemas of Kubernetes and of the Prometheus operator.

The packages kubernetes-models carry both as types and as validators. Types find
fields that do not exist, such as `readinesProbe`, which validators let pass;
validators find values that a type allows, such as a duration of "1x".
"""

import json
import os
import re
import subprocess
import tempfile

from tools import TOOLS, have_packages

VALUES = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "check_values.mjs")


def _output(*command, cwd, stdin=subprocess.DEVNULL):
    return subprocess.run(command, check=False, cwd=cwd, stdin=stdin, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120).stdout


def _name(manifest):
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _type_import(manifest, alias):
    version, kind = manifest["apiVersion"], manifest["kind"]
    models = ("@kubernetes-models/prometheus-operator"
              if version.startswith("monitoring.coreos.com/")
              else "kubernetes-models")
    return (f'import type {{I{kind} as {alias}}} '
            f'from "{models}/{version}/{kind}";')


def _type_faults(manifests, folder):
    lines = []
    for number, manifest in enumerate(manifests):
        # Two lines an object, so that a fault's line tells the object.
        lines += [_type_import(manifest, f"T{number}"),
                  f"const o{number}: T{number} = {json.dumps(manifest)};"]
    with open(os.path.join(folder, "objects.ts"), "w",
              encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    output = _output(
        os.path.join(TOOLS, "node_modules", ".bin", "tsc"), "--noEmit",
        "--strict", "--skipLibCheck", "--module", "nodenext", "objects.ts",
        cwd=folder)
    faults = []
    for line in output.splitlines():
        found = re.match(r"objects\.ts\((\d+),\d+\): error \w+: (.*)", line)
        if found:
            manifest = manifests[(int(found[1]) - 1) // 2]
            faults.append(f"{_name(manifest)}: {found[2]}")
        elif not line.startswith(" "):  # the rest of an explanation
            faults.append(line)
    return faults


def _value_faults(manifests, folder):
    path = os.path.join(folder, "objects.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifests, file)
    with open(VALUES, encoding="utf-8") as program:
        return _output("node", "--input-type=module", "-", path, cwd=TOOLS,
                       stdin=program).splitlines()


def schema_faults(manifests):
    """What breaks the schemas; a list of texts."""
    have_packages()
    # Below TOOLS, where the packages are found.
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        return _type_faults(manifests, folder) + _value_faults(manifests,
                                                               folder)
