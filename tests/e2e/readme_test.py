"""The commands of README.md do what they say.

Blocks that begin with ```sh smoke are run in order, each as one script of
bash -e, all in one empty folder with the built programs on PATH.
"""

import os
import re
import subprocess
import unittest

from harness import ROOT, environment, main, needs_zoo, temporary_folder

README = os.path.join(ROOT, "README.md")
BLOCK = re.compile(r"^```sh smoke\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 240


def blocks(text):
    return BLOCK.findall(text)


class BlocksTest(unittest.TestCase):

    def test_only_marked_blocks_are_found(self):
        text = "a\n```sh smoke\none\ntwo\n```\n```sh\nno\n```\n```sh smoke\nx\n```\n"
        self.assertEqual(["one\ntwo\n", "x\n"], blocks(text))


@needs_zoo
@unittest.skipUnless(os.path.exists(README), "there is no README.md yet")
class ReadmeTest(unittest.TestCase):

    def test_every_marked_block_succeeds(self):
        with open(README, encoding="utf-8") as file:
            scripts = blocks(file.read())
        self.assertTrue(scripts, "no block is marked with ```sh smoke")
        folder = temporary_folder(self)
        for script in scripts:
            with self.subTest(script=script):
                done = subprocess.run(
                    ["bash", "-eu", "-o", "pipefail", "-c", script],
                    cwd=folder, env=environment(), timeout=SECONDS,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(0, done.returncode, done.stdout)


if __name__ == "__main__":
    main()
