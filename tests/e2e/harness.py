"""Runs the real programs for the end-to-end tests.

The programs come from the build folder in ADV_BUILD_DIR (ctest sets it);
stubs of the API are made by protoc from the protos of this tree, as any
foreign client would make them.
"""

import atexit
import functools
import glob
import importlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("ADV_BUILD_DIR", os.path.join(ROOT, "build", "dev"))
ZOO = os.path.join(ROOT, "model_store", "zoo")
SAMPLE = os.path.join(ZOO, "cifar10-sample.bin")
CLASSES = ("airplane automobile bird cat deer dog frog horse ship "
           "truck").split()
PROGRAM_FOLDERS = [os.path.join(BUILD, folder) for folder in
                   ("server", "client", os.path.join("model_store", "trainer"))]

ADVSERVER = os.path.join(BUILD, "server", "advserver")
ADVCTL = os.path.join(BUILD, "client", "advctl")

START_SECONDS = 120  # a busy machine reads, verifies and warms up slowly
STOP_SECONDS = 60


def environment():
    """The tests' own, with the programs of the build on PATH and without the
    contexts of whoever runs them."""
    return dict(os.environ, OMP_WAIT_POLICY="passive",
                ADVCTL_CONFIG=os.path.join(BUILD, "no-contexts.json"),
                PATH=os.pathsep.join(PROGRAM_FOLDERS + [os.environ["PATH"]]))


def needs_zoo(test):
    """Skips a test or a case until the models are published."""
    missing = [m for m in ("balanced", "no-cat")
               if not os.path.isdir(os.path.join(ZOO, m))]
    return unittest.skipIf(missing, f"the zoo has no {missing}")(test)


def needs_programs(*programs):
    """Skips a test or a case whose programs are not installed."""
    missing = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(missing, f"not installed: {missing}")


class ModuleScope:
    """Stands in for a test where something lives as long as the module."""

    addCleanup = staticmethod(unittest.addModuleCleanup)


def temporary_folder(test):
    """A folder that is gone after the test (or ModuleScope)."""
    folder = tempfile.mkdtemp(prefix="adv-e2e-")
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def free_port():
    """A port that was free a moment ago, for programs that cannot choose."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def store_with(test, *models):
    """A store that has these models of the zoo, for a server that starts
    soon."""
    folder = temporary_folder(test)
    for model in models:
        os.symlink(os.path.join(ZOO, model), os.path.join(folder, model))
    return folder


class Server:
    """A real advserver on a port of its own, killed at the latest when the
    test (or the module, with ModuleScope) ends."""

    LISTENING = re.compile(r"listening on (\S+:\S+)")

    def __init__(self, test, *flags, state=None, metrics="off", limit=None,
                 listen="127.0.0.1:0", variables=None, store=ZOO):
        """`limit`: (resource, (soft, hard)) as resource.setrlimit takes it;
        `variables`: of its environment, beside the tests' own."""
        self.state = state or temporary_folder(test)
        self._log_path = os.path.join(temporary_folder(test), "log")
        self._listening = threading.Event()
        self.address = None
        self._errors = open(self._log_path, "wb")
        self.process = subprocess.Popen(
            [ADVSERVER, f"--listen={listen}", f"--store={store}",
             f"--state={self.state}", f"--metrics-listen={metrics}", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self._errors, text=True,
            env={**environment(), **(variables or {})},
            preexec_fn=limit and (lambda: resource.setrlimit(*limit)))
        test.addCleanup(self._discard)
        self._output = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(START_SECONDS) or not self.address:
            raise AssertionError(f"advserver did not start:\n{self.log()}")

    # Runs on a thread of its own: a full pipe would stop the server.
    def _read(self):
        for line in self.process.stdout:
            self._output.append(line)
            found = self.LISTENING.search(line)
            if found and not self.address:
                self.address = found[1]
                self._listening.set()
        self._listening.set()  # the server has ended: stop waiting

    def log(self):
        """What it wrote so far, standard output first."""
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            return "".join(self._output) + file.read()

    def terminate(self):
        """SIGTERM: a graceful end."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        """SIGKILL, as a crash would do."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def wait(self):
        """The exit code."""
        return self.process.wait(STOP_SECONDS)

    def _discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        # A test that passed hides how its server ended, so an unexpected end is
        # shown.
        elif self.process.returncode not in (0, -signal.SIGKILL):
            sys.stderr.write(f"advserver ended with "
                             f"{self.process.returncode}:\n{self.log()}\n")
        self._reader.join(STOP_SECONDS)
        self.process.stdout.close()
        self._errors.close()


def advctl(*arguments, server=None, cwd=None, timeout=300):
    """Runs advctl; `server` is an address. Never raises for an exit code."""
    command = [ADVCTL]
    if server:
        command.append(f"--server={server}")
    return subprocess.run(command + list(arguments), cwd=cwd, timeout=timeout,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env=environment(), check=False)


def _generate_stubs():
    folder = tempfile.mkdtemp(prefix="adv-stubs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    protos = os.path.join(ROOT, "proto")
    files = [os.path.relpath(p, protos) for p in
             glob.glob(os.path.join(protos, "**", "*.proto"), recursive=True)]
    subprocess.run(
        ["protoc", f"--proto_path={protos}", f"--python_out={folder}",
         f"--grpc_python_out={folder}",
         f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}",
         *sorted(files)], check=True)
    return folder


class Stubs:
    """The modules that protoc makes, generated at the first use."""

    _folder = None

    def __getattr__(self, name):
        if Stubs._folder is None:
            Stubs._folder = _generate_stubs()
            sys.path.insert(0, Stubs._folder)
            # Debian's own packages `google` and `grpc` must also find this
            # project's google/rpc and grpc/health.
            for package in ("google", "grpc"):
                importlib.import_module(package).__path__.append(
                    os.path.join(Stubs._folder, package))
        places = {"error_details_pb2": "google.rpc.",
                  "code_pb2": "google.rpc.", "status_pb2": "google.rpc.",
                  "health_pb2": "grpc.health.v1.",
                  "health_pb2_grpc": "grpc.health.v1.",
                  "open_inference_pb2": "inference.",
                  "open_inference_pb2_grpc": "inference."}
        # Two versions of one file.
        version = re.match(r"reflection_(v\w+?)_(pb2\w*)$", name)
        module = importlib.import_module(
            f"grpc.reflection.{version[1]}.reflection_{version[2]}" if version
            else places.get(name, "adv.v1.") + name)
        setattr(self, name, module)
        return module


stubs = Stubs()


@functools.lru_cache(maxsize=None)
def shared_server():
    """One server for all tests of a module that leave it as it was."""
    return Server(ModuleScope)


def read_sample():
    """(labels [1000], images [1000, 3, 32, 32] uint8) of the sample."""
    import numpy
    records = numpy.fromfile(SAMPLE, dtype=numpy.uint8).reshape(-1, 3073)
    return records[:, 0].astype(int), records[:, 1:].reshape(-1, 3, 32, 32)


def newest_version(model):
    """(folder, manifest) of the newest version of a model of the zoo."""
    folder = os.path.join(ZOO, model)
    version = max(int(v) for v in os.listdir(folder) if v.isdigit())
    folder = os.path.join(folder, str(version))
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        return folder, json.load(file)


def main():
    """unittest.main, but 77 (ctest: skipped) if every case was skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun and
             len(result.skipped) >= result.testsRun else 0)
