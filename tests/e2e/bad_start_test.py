"""A server that cannot start, or lacks something, says so in its log."""

import os
import shutil
import socket
import subprocess
import time
import unittest

import wire
from harness import (ADVSERVER, ZOO, Server, environment, main, needs_zoo,
                     stubs, temporary_folder)

DEADLINE = 60


def mounted(folder, options, command):
    """The command, for which a file system of its own lies on the folder."""
    return ["unshare", "--mount", "sh", "-c",
            f"mount -t tmpfs -o {options} tmpfs '{folder}' && exec \"$@\"",
            "sh", *command]


def may_mount():
    return subprocess.run(mounted("/mnt", "ro", ["true"]), check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


@needs_zoo
class BadStartTest(unittest.TestCase):

    def setUp(self):
        self.folder = temporary_folder(self)

    def fails(self, *flags, wrap=lambda command: command):
        """The last line of the log of a server that does not start."""
        given = {flag.split("=")[0] for flag in flags}
        usual = ["--listen=127.0.0.1:0", "--metrics-listen=off",
                 "--state=:memory:", f"--store={ZOO}"]
        command = [ADVSERVER, *flags,
                   *(flag for flag in usual
                     if flag.split("=")[0] not in given)]
        ended = subprocess.run(wrap(command), check=False, text=True,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(), timeout=120)
        self.assertEqual(1, ended.returncode, ended.stderr)
        self.assertNotIn("listening on", ended.stdout)
        last = ended.stderr.strip().splitlines()[-1]
        self.assertIn("event=start_failed", last)
        return last

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            for flag in ("--listen", "--metrics-listen"):
                self.assertIn(f"{flag}: cannot listen on {address}: "
                              "Address already in use",
                              self.fails(f"{flag}={address}"))

    @unittest.skipUnless(may_mount(), "mounting needs root")
    def test_a_state_folder_that_is_read_only_or_full(self):
        for options, reason in (("ro", "Read-only file system"),
                                ("size=16k", "no room on the disk")):
            line = self.fails(
                f"--state={self.folder}", wrap=lambda command:
                mounted(self.folder, options, command))
            self.assertIn(f"--state: evaluations in {self.folder}", line)
            self.assertIn(reason, line)

    def test_no_model_at_all(self):
        empty = temporary_folder(self)
        for folder, reason in ((empty, "no model could be loaded"),
                               (empty + "/none", "No such file or directory")):
            line = self.fails(f"--store={folder}")
            self.assertIn(folder, line)
            self.assertIn(reason, line)

    def test_a_store_that_appears_later_is_served(self):
        later = os.path.join(self.folder, "later")
        server = Server(self, f"--store={later}", "--poll-seconds=1")
        self.assertIn(f"{later}: cannot list", server.log())
        service = stubs.model_service_pb2_grpc.ModelServiceStub(
            wire.connect(self, server.address))

        def versions():
            reply = service.ListModels(
                stubs.model_service_pb2.ListModelsRequest(),
                timeout=wire.CALL_SECONDS)
            return {model.version for model in reply.models
                    if model.name == "no-cat"}
        (shipped,) = versions()
        # The same weights under a version that is newer.
        made = os.path.join(self.folder, "made")
        shutil.copytree(os.path.join(ZOO, "no-cat", str(shipped)),
                        os.path.join(made, "no-cat", str(shipped + 1)))
        os.rename(made, later)
        end = time.monotonic() + DEADLINE
        while shipped + 1 not in versions():
            self.assertLess(time.monotonic(), end, server.log())
            time.sleep(0.1)


if __name__ == "__main__":
    main()
