"""The modules that protoc makes of adv/v1, generated once and kept.

They lie in a folder of the user's cache that is named by the digest of the
protos, so that a new version of the API gets new stubs. `python3 -m
adv_client.stubs` makes them beforehand and prints where they are.

Needs protoc with grpc_python_plugin (Debian: protobuf-compiler,
protobuf-compiler-grpc) or the Python package grpcio-tools.
"""

import hashlib
import importlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

_HERE = pathlib.Path(__file__).resolve().parent


def proto_folder():
    """The protos of this package, or of the source tree it lies in."""
    places = [_HERE / "proto"]
    if len(_HERE.parents) > 2:
        places.append(_HERE.parents[2] / "proto")
    for place in places:
        if (place / "adv" / "v1").is_dir():
            return place
    raise ImportError("adv_client: the protos are missing; install the package "
                      "or use it from the source tree")


def _protoc():
    plugin = shutil.which("grpc_python_plugin")
    if shutil.which("protoc") and plugin:
        return ["protoc", f"--plugin=protoc-gen-grpc_python={plugin}"]
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    raise ImportError(
        "adv_client: no way to make stubs; install protobuf-compiler and "
        "protobuf-compiler-grpc (Debian), or grpcio-tools")


def _digest(files):
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def generate():
    """Makes the stubs unless they are there; returns their folder."""
    protos = proto_folder()
    files = sorted((protos / "adv" / "v1").glob("*.proto"))
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                         pathlib.Path.home() / ".cache") / "adv_client"
    target = cache / _digest(files)
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    # Made aside and renamed: another process may be doing the same.
    draft = tempfile.mkdtemp(prefix="draft-", dir=cache)
    try:
        subprocess.run(
            [*_protoc(), f"--proto_path={protos}", f"--python_out={draft}",
             f"--grpc_python_out={draft}", *map(str, files)], check=True)
        os.rename(draft, target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def load(name):
    """A generated module of adv.v1: load("image_pb2")."""
    folder = str(generate())
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(f"adv.v1.{name}")


if __name__ == "__main__":
    print(generate())
