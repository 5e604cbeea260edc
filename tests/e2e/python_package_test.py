"""The Python package as its users meet it: built and installed by pip in a
fresh environment, then its README and its example against a real server."""

import os
import pathlib
import shutil
import sys
import tarfile
import unittest
import zipfile

from harness import (ROOT, ModuleScope, main, needs_programs, needs_zoo,
                     shared_server, temporary_folder)

sys.path.insert(0, os.path.join(ROOT, "tests", "client"))
import python_package
from python_package import PACKAGE, build_wheel, run

SECONDS = 120

# What a user's program gets wrong, line by line.
USE = """\
import asyncio
import numpy
import adv_client

images = numpy.zeros((1, 32, 32, 3), numpy.uint8)
client = adv_client.connect("localhost:50051")
names: list[list[str]] = client.classify(images).names
total: int = client.evaluate("no-cat").report.clean_accuracy.total

async def both(client: adv_client.AsyncClient) -> None:
    seen, info = await asyncio.gather(client.classify(images),
                                      client.get_server_info())
    print(seen.labels, info.limits)
"""
MISUSE = ("client.classify(images, topk=3)\n",
          "client.get_evaluation(7)\n",
          "client.classify(images).label\n",
          "number: int = client.check_health\n")


def setUpModule():
    global folder, source, wheel
    folder = pathlib.Path(temporary_folder(ModuleScope))
    source = python_package.copy_sources(folder)
    wheel = build_wheel(source, folder / "wheel")


def files(archive):
    """{name: bytes} of a wheel's package."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()
                if name.startswith("adv_client/")}


class BuildTest(unittest.TestCase):

    def test_the_wheel_has_the_stubs_with_their_types(self):
        names = set(files(wheel))
        protos = pathlib.Path(ROOT, "proto", "adv", "v1").glob("*.proto")
        for proto in protos:
            for end in ("_pb2.py", "_pb2.pyi"):
                self.assertIn(f"adv_client/v1/{proto.stem}{end}", names)
            if proto.stem.endswith("_service"):
                self.assertIn(f"adv_client/v1/{proto.stem}_pb2_grpc.py", names)
        self.assertIn("adv_client/py.typed", names)

    def test_an_sdist_makes_the_same_wheel(self):
        run(sys.executable, "-c", "import setuptools.build_meta as build; "
            "build.build_sdist('../../../sdist')", cwd=source)
        (sdist,) = (folder / "sdist").glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        self.assertLessEqual({"proto/adv/v1/model.proto", "README.md",
                              "proto/google/rpc/status.proto",
                              "examples/robustness.py"}, names)
        self.assertEqual(files(wheel),
                         files(build_wheel(sdist, folder / "again")))

    def test_without_protoc_it_says_what_to_install(self):
        with self.assertRaisesRegex(AssertionError,
                                    "install protobuf-compiler and"):
            build_wheel(source, folder / "none", env=dict(
                os.environ, PATH=os.path.dirname(sys.executable) + "-none"))

    def test_the_source_alone_says_how_to_install_it(self):
        with self.assertRaisesRegex(AssertionError,
                                    "pip install client/python"):
            run(sys.executable, "-B", "-c", "import adv_client", cwd=PACKAGE)


@needs_programs("mypy")
class TypesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.site = folder / "site"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(cls.site)

    def check(self, *arguments):
        return run("mypy", f"--config-file={PACKAGE / 'pyproject.toml'}",
                   f"--cache-dir={folder / 'mypy'}", *arguments, cwd=self.site)

    def test_the_package_is_typed_strictly(self):
        self.assertIn("Success", self.check("-p", "adv_client"))

    def test_its_users_are_checked(self):
        self.assertIn("Success", self.check("-c", USE))
        with self.assertRaises(AssertionError) as caught:
            self.check("-c", USE + "".join(MISUSE))
        first = USE.count("\n") + 1
        for line in range(first, first + len(MISUSE)):
            self.assertIn(f"<string>:{line}: error", str(caught.exception),
                          MISUSE[line - first])


@needs_zoo
class InstalledTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.bin = folder / "venv" / "bin"
        run(sys.executable, "-m", "venv", "--system-site-packages",
            "--without-pip", cls.bin.parent)
        cls.python("-m", "pip", "install", "--no-index", wheel)

    @classmethod
    def python(cls, *arguments, **variables):
        """Runs the environment's own Python where there is no protoc."""
        return run(cls.bin / "python", "-B", *arguments, cwd=ROOT,
                   timeout=SECONDS, env={"PATH": str(cls.bin), **variables})

    def test_it_is_the_installed_one_and_there_is_no_protoc(self):
        place = self.python("-c", "import adv_client; "
                            "print(adv_client.__file__)")
        self.assertTrue(place.startswith(str(self.bin.parent)), place)
        self.assertIsNone(shutil.which("protoc", path=self.bin))

    def test_the_readme_says_what_happens(self):
        said = self.python(pathlib.Path(__file__).parent /
                           "run_python_readme.py", PACKAGE / "README.md",
                           shared_server().address)
        self.assertRegex(said, r"[1-9]\d examples, 0 failures")

    def test_the_example_runs(self):
        said = self.python(PACKAGE / "examples" / "robustness.py",
                           ADV_SERVER=shared_server().address)
        self.assertRegex(said, r"\d+ of 200\n")
        self.assertRegex(said, r"no-cat +clean +\d+%, robust +\d+%; cats")


if __name__ == "__main__":
    python_package.exit_unless_buildable()
    main()
