#!/usr/bin/env python3
"""Merges the reports of a matrix into merged.json and merged.csv.

usage: merge.py FOLDER

The folder is that of submit.sh: table.txt has the rows, reports/ what advctl
printed for each. Unless all are there, and no others, it says which rows are
concerned, writes nothing, and ends with status 1.
"""

import csv
import hashlib
import json
import os
import sys


def read_rows(path):
    """(name of its report, what it is for messages, its model) of each row."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            row = " ".join(words)
            digest = hashlib.sha256(row.encode()).hexdigest()[:12]
            yield f"{number}-{digest}", f"line {number} ({row})", words[0]


def read_json(path, model):
    """The evaluations of a report."""
    with open(path, encoding="utf-8") as file:
        evaluations = json.load(file)["evaluations"]
    for evaluation in evaluations:
        if evaluation["state"] != "EVALUATION_STATE_SUCCEEDED":
            raise ValueError(f"its evaluation is {evaluation['state']}")
        evaluation["report"]["records_sha256"]  # or KeyError
    measured = evaluations[0]["resolved"]["model"]
    if model not in (measured["name"],
                     f"{measured['name']}@{measured['version']}"):
        raise ValueError(f"it measures {measured['name']}"
                         f"@{measured['version']}")
    return evaluations


def read_csv(path, evaluations):
    """The header and the rows of a report of those evaluations."""
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if {row[0] for row in rows} != {one["id"] for one in evaluations}:
        raise ValueError("it has other evaluations than the JSON beside it")
    return header, rows


def write(path, write_to):
    """The whole file or nothing."""
    with open(path + ".new", "w", encoding="utf-8", newline="") as file:
        write_to(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


class Merge:
    """What the reports hold together, and what is wrong with them."""

    def __init__(self):
        self.evaluations, self.header, self.rows = [], None, []
        self.errors, self._seen = [], {}

    def add(self, path, what, model):
        """Adds one report, or an error that names its row."""
        try:
            file = path + ".json"
            evaluations = read_json(file, model)
            file = path + ".csv"
            header, rows = read_csv(file, evaluations)
            if header != (self.header or header):
                raise ValueError("its columns are another advctl's")
        except OSError as error:
            self.errors.append(f"{what}: no report {file} ({error.strerror})")
            return
        except (ValueError, LookupError, TypeError) as error:
            self.errors.append(f"{what}: {file} is not its report: "
                               f"{error or 'empty'}")
            return
        twin = self._seen.setdefault(evaluations[0]["id"], what)
        if twin != what:
            self.errors.append(f"{what}: {path}.json has the evaluation of "
                               f"{twin}")
        self.evaluations += evaluations
        self.header = header
        self.rows += rows


def main(folder):
    """Returns the exit status."""
    reports = os.path.join(folder, "reports")
    merge, known = Merge(), set()
    for name, what, model in read_rows(os.path.join(folder, "table.txt")):
        known |= {f"{name}.json", f"{name}.csv"}
        merge.add(os.path.join(reports, name), what, model)
    for name in sorted(os.listdir(reports)):
        if name.endswith((".json", ".csv")) and name not in known:
            merge.errors.append(f"{os.path.join(reports, name)} belongs to no "
                                "row of table.txt")
    if merge.errors:
        print(*merge.errors, sep="\n", file=sys.stderr)
        print("merge.py: nothing merged", file=sys.stderr)
        return 1
    write(os.path.join(folder, "merged.json"),
          lambda file: json.dump({"evaluations": merge.evaluations}, file,
                                 indent=2))
    write(os.path.join(folder, "merged.csv"),
          lambda file: csv.writer(file, lineterminator="\n").writerows(
              [merge.header] + merge.rows))
    print(f"merged {len(known) // 2} reports, {len(merge.evaluations)} "
          f"evaluations, {len(merge.rows)} rows into {folder}/merged.json and "
          "merged.csv")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
