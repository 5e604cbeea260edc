"""The example client for Node.js: its own tests against a real server."""

import json
import os
import shutil
import subprocess
import unittest

import npm_packages
from harness import (ROOT, SAMPLE, main, needs_programs, needs_zoo,
                     shared_server, temporary_folder)

CLIENT = os.path.join(ROOT, "client", "node")
SECONDS = 240


@needs_zoo
@needs_programs("node")
class NodeClientTest(unittest.TestCase):

    def test_its_tests_pass(self):
        with open(os.path.join(CLIENT, "package.json"),
                  encoding="utf-8") as file:
            packages = json.load(file)["dependencies"]
        modules = npm_packages.install(packages, "node_client")
        # A copy that lies to the protos as in the tree, with these packages.
        tree = temporary_folder(self)
        copy = os.path.join(tree, "client", "node")
        shutil.copytree(CLIENT, copy,
                        ignore=shutil.ignore_patterns("node_modules"))
        os.symlink(modules, os.path.join(copy, "node_modules"))
        os.symlink(os.path.join(ROOT, "proto"), os.path.join(tree, "proto"))
        done = subprocess.run(
            ["node", "--test"], cwd=copy, timeout=SECONDS,
            env=dict(os.environ, ADV_SERVER=shared_server().address,
                     ADV_SAMPLE=SAMPLE),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^(# |ℹ )pass [1-9]")


if __name__ == "__main__":
    main()
