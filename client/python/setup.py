"""Puts the API's stubs into the package.

They are made here, at build time, so that nobody needs protoc to install or
use a wheel. Making them needs protoc with grpc_python_plugin (Debian:
protobuf-compiler, protobuf-compiler-grpc) or the Python package grpcio-tools.
"""

import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
# In an sdist the protos lie beside this file, in the source tree above it.
PLACES = (HERE / "proto", HERE.parents[1] / "proto")

API = "adv/v1/*.proto"
# Messages of other owners. Under their own names they could not be loaded
# beside the owners' packages, such as googleapis-common-protos.
PUBLIC = ("google/rpc/status.proto", "google/rpc/error_details.proto",
          "grpc/health/v1/health.proto")


def protos():
    for place in PLACES:
        if (place / "adv" / "v1").is_dir():
            return place
    sys.exit("adv-client: the protos are missing; build in the source tree or "
             "from an sdist")


def protoc():
    plugin = shutil.which("grpc_python_plugin")
    if shutil.which("protoc") and plugin:
        return ["protoc", f"--plugin=protoc-gen-grpc_python={plugin}"]
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    sys.exit("adv-client: no way to make stubs; install protobuf-compiler and "
             "protobuf-compiler-grpc (Debian), or grpcio-tools")


def stage(source, target):
    """Copies the protos to where protoc shall find them."""
    for proto in source.glob(API):
        copy = target / proto.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(proto, copy)
    public = target / "adv_client" / "public"
    public.mkdir(parents=True)
    for name in PUBLIC:
        text = (source / name).read_text(encoding="utf-8")
        (public / pathlib.Path(name).name).write_text(
            re.sub(r"^package .*;$", "package adv_client.public;", text,
                   flags=re.MULTILINE), encoding="utf-8")


def generate(staged, target):
    """Makes adv_client/v1 and adv_client/public below the target."""
    compiler = [*protoc(), f"--proto_path={staged}"]
    messages = sorted(staged.rglob("*.proto"))
    services = sorted(staged.glob("adv/v1/*_service.proto"))
    subprocess.run([*compiler, f"--python_out={target}", f"--pyi_out={target}",
                    *messages], check=True)
    subprocess.run([*compiler, f"--grpc_python_out={target}", *services],
                   check=True)
    package = target / "adv_client"
    shutil.rmtree(package / "v1", ignore_errors=True)
    shutil.move(target / "adv" / "v1", package / "v1")
    (target / "adv").rmdir()
    # protoc names modules by the protos' folder. The descriptors keep it.
    for stub in (package / "v1").iterdir():
        stub.write_text(re.sub(
            r"^(from |_builder\..*')adv\.v1\b", r"\1adv_client.v1",
            stub.read_text(encoding="utf-8"), flags=re.MULTILINE),
            encoding="utf-8")
    for folder in ("v1", "public"):
        (package / folder / "__init__.py").touch()


class BuildWithStubs(build_py):

    def run(self):
        super().run()
        with tempfile.TemporaryDirectory() as staged:
            stage(protos(), pathlib.Path(staged))
            generate(pathlib.Path(staged), pathlib.Path(self.build_lib))


class SdistWithProtos(sdist):

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        source = protos()
        for proto in [*source.glob(API), *(source / name for name in PUBLIC)]:
            copy = pathlib.Path(base_dir, "proto", proto.relative_to(source))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(proto, copy)


setup(cmdclass={"build_py": BuildWithStubs, "sdist": SdistWithProtos})
