"""Our C++ library comes before LibTorch in every program.

LibTorch of the Python wheel exports parts of the C++ library, std::filesystem
among them. A program that loads it first takes those for its own, of another
layout, and crashes before its first line.
"""

import os
import re
import subprocess
import unittest

BUILD = os.environ["ADV_BUILD_DIR"]
PROGRAMS = ["server/advserver", "model_store/trainer/advtrain",
            "tests/engine/gpu/gpu_test"]
NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")


def needed(program):
    """The libraries that it loads itself, in order."""
    text = subprocess.run(["readelf", "--dynamic", program], check=True,
                          capture_output=True, text=True).stdout
    return NEEDED.findall(text)


class LinkOrderTest(unittest.TestCase):

    def test_the_cpp_library_comes_before_libtorch(self):
        for program in PROGRAMS:
            with self.subTest(program):
                libraries = needed(os.path.join(BUILD, program))
                ours = libraries.index("libstdc++.so.6")
                torch = [i for i, name in enumerate(libraries)
                         if re.match(r"lib(torch|c10)", name)]
                self.assertTrue(torch, libraries)
                self.assertLess(ours, min(torch), libraries)


if __name__ == "__main__":
    unittest.main()
