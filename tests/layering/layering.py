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
    rule("command_line/", TORCH + "|" + MESSAGES + "|" + GRPC +
         "|engine/|model_store/|server/|client/|prometheus/|sqlite3",
         "the command line knows no other room"),
    rule("engine/", MESSAGES, "the engine knows no protos"),
    rule("engine/", GRPC, "the engine knows no gRPC"),
    rule("engine/", OPERATIONS,
         "the engine knows no metrics, flags or databases"),
    rule("image_file/", TORCH + "|" + MESSAGES + "|" + GRPC +
         "|net/|command_line/|engine/|model_store/|server/|client/",
         "image files know no other room"),
    rule("net/", TORCH + "|command_line/|engine/|model_store/|server/|client/|" +
         GRPC + "|" + MESSAGES, "addresses and pages know no other room"),
    rule("engine/", "net/|server/|client/|model_store/|command_line/",
         "the engine stands alone"),
    rule("model_store/", TORCH + "|engine/",
         "the store keeps models as bytes; only its trainer knows the engine",
         except_room="model_store/trainer/"),
    rule("model_store/", "CLI/|command_line/|prometheus/",
         "only the trainer is a program, with flags and metrics",
         except_room="model_store/trainer/"),
    rule("model_store/", "net/", "only the trainer is a program",
         except_room="model_store/trainer/"),
    rule("model_store/", "image_file/", "models are no images"),
    rule("model_store/", GRPC, "the store knows no gRPC"),
    rule("model_store/", "server/|client/|sqlite3",
         "the store knows only messages"),
    rule("client/", TORCH, "the client needs no LibTorch"),
    rule("client/",
         "engine/(?!attacks/(attack_config|attack_traits|parameter)\\.h$)|"
         "model_store/|server/",
         "the client knows the service, and what attacks are told"),
    *(rule("engine/" + part, TORCH, "the client reads it")
      for part in ("attacks/attack_config", "attacks/attack_traits",
                   "attacks/norm", "attacks/parameter", "attacks/violations",
                   "nn/access")),
    rule("server/", "client/", "the server does not know its clients"),
    rule("server/", "image_file/",
         "images of data sets are the engine's, those of users the client's"),
    rule("tests/engine/", "server/|client/|model_store/|" + GRPC,
         "the engine's tests stand alone, as it does"),
    rule("tests/client/", TORCH + "|engine/|model_store/|server/",
         "the client's tests know the service only"),
    rule("net/", "tests/", "no room depends on tests"),
    rule("image_file/", "tests/", "no room depends on tests"),
    rule("command_line/", "tests/", "no room depends on tests"),
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


def part_of(path):
    """A header and the source beside it are one part: "engine/nn/vgg"."""
    return SOURCE_FILE.sub("", path)


def includes(root):
    """By part of the tree at `root`, the other parts that it includes."""
    paths = list(source_files(root))
    parts = {part_of(path): set() for path in paths}
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            found = (INCLUDE.match(line) for line in file)
            parts[part_of(path)] |= {
                part_of(match[1]) for match in found
                if match and part_of(match[1]) in parts}
    return {part: others - {part} for part, others in parts.items()}


def circles(graph):
    """Groups of parts that include each other, each sorted: in a circle no
    part can be understood, built or tested before the others."""

    def reached_from(part):
        reached, waiting = set(), [part]
        while waiting:
            new = graph.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        return reached

    reach = {part: reached_from(part) for part in graph}
    found = {tuple(sorted(other for other in reach[part]
                          if part in reach.get(other, ())))
             for part in graph if part in reach[part]}
    return sorted(found)


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
