"""Which room may include what: the dependencies of the tree as a table.

An include that the table forbids turns the test beside this file red, with
the file, the line and the rule.
"""

import dataclasses
import os
import re

SOURCE_FILE = re.compile(r"\.(cc|h)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


@dataclasses.dataclass(frozen=True)
class Rule:
    """Files under `room`, but for those under `except_room`, must not include
    what matches `forbidden`."""

    room: str
    forbidden: re.Pattern
    why: str
    except_room: str = ""

    def covers(self, path):
        if self.except_room and path.startswith(self.except_room):
            return False
        return path.startswith(self.room)


def rule(room, forbidden, why, except_room=""):
    return Rule(room, re.compile(forbidden), why, except_room)


TORCH = "torch/|ATen/|c10/"
GRPC = r"grpc(pp)?/|.*\.grpc\.pb\.h$"
MESSAGES = r"adv/v1/|google/(protobuf|rpc)/|.*\.pb\.h$"
OPERATIONS = "prometheus/|CLI/|sqlite3"

RULES = [
    rule("engine/", MESSAGES, "the engine knows no protos"),
    rule("engine/", GRPC, "the engine knows no gRPC"),
    rule("engine/", OPERATIONS,
         "the engine knows no metrics, flags or databases"),
    rule("engine/", "server/|client/|model_store/",
         "the engine stands alone"),
    rule("model_store/", TORCH + "|engine/",
         "the store keeps models as bytes; only its trainer knows the engine",
         except_room="model_store/trainer/"),
    rule("model_store/", "CLI/|prometheus/",
         "only the trainer is a program, with flags and metrics",
         except_room="model_store/trainer/"),
    rule("model_store/", GRPC, "the store knows no gRPC"),
    rule("model_store/", "server/|client/|sqlite3",
         "the store knows only messages"),
    rule("client/", TORCH, "the client needs no LibTorch"),
    rule("client/", "engine/|model_store/|server/",
         "the client knows the service only"),
    rule("server/", "client/", "the server does not know its clients"),
    rule("tests/engine/", "server/|client/|model_store/|" + GRPC,
         "the engine's tests stand alone, as it does"),
    rule("tests/client/", TORCH + "|engine/|model_store/|server/",
         "the client's tests know the service only"),
    rule("engine/", "tests/", "no room depends on tests"),
    rule("model_store/", "tests/", "no room depends on tests"),
    rule("server/", "tests/", "no room depends on tests"),
    rule("client/", "tests/", "no room depends on tests"),
]


def violations_in(path, text):
    """The forbidden includes of one file, as lines "path:line: ..."."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        include = INCLUDE.match(line)
        if not include:
            continue
        for each in RULES:
            if each.covers(path) and each.forbidden.match(include[1]):
                found.append(f"{path}:{number}: includes {include[1]}: "
                             f"{each.why}")
    return found


def source_files(root):
    """Paths of all sources below `root`, relative to it, with slashes."""
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders
                      if not f.startswith(".") and f != "build"]
        for name in files:
            if SOURCE_FILE.search(name):
                path = os.path.join(folder, name)
                yield os.path.relpath(path, root).replace(os.sep, "/")


def violations(root):
    """All forbidden includes of the tree at `root`."""
    found = []
    for path in sorted(source_files(root)):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            found += violations_in(path, file.read())
    return found
