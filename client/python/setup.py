"""Takes a copy of the protos along, from which stubs are made at first use."""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
PROTOS = HERE.parents[1] / "proto"


class BuildWithProtos(build_py):

    def run(self):
        super().run()
        target = pathlib.Path(self.build_lib) / "adv_client" / "proto"
        for proto in sorted((PROTOS / "adv").rglob("*.proto")):
            copy = target / proto.relative_to(PROTOS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(proto, copy)


setup(cmdclass={"build_py": BuildWithProtos})
