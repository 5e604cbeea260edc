"""A real PostgreSQL on a socket in a temporary folder."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

START_SECONDS = 60


def programs():
    """The folder of initdb and postgres, which Debian keeps off the PATH; None
    if they are not installed."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    return found and os.path.dirname(os.path.realpath(found))


class Postgres:
    """Kept until the test (or ModuleScope) ends; survives kill() as a real one
    survives a power cut, since it syncs."""

    def __init__(self, test):
        self.folder = tempfile.mkdtemp(prefix="adv-pg-", dir="/tmp")
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._data = os.path.join(self.folder, "data")
        subprocess.run(
            self._command("initdb", f"--pgdata={self._data}", "--auth=trust",
                          "--username=adv", "--encoding=UTF8", "--locale=C"),
            check=True, stdout=subprocess.DEVNULL)
        self._process = None
        test.addCleanup(self.kill)
        self.start()

    # PostgreSQL refuses root.
    @staticmethod
    def _command(program, *arguments):
        command = [os.path.join(programs(), program), *arguments]
        user = ["runuser", "-u", "postgres", "--"]
        return user + command if os.getuid() == 0 else command

    @property
    def url(self):
        return self._url("postgres")

    def _url(self, database):
        return f"postgresql://adv@/{database}?host={self.folder}"

    def new_database(self, name):
        """Its URL."""
        self.query(f"CREATE DATABASE {name}")
        return self._url(name)

    def _spawn(self):
        self._process = subprocess.Popen(
            self._command("postgres", "-D", self._data,
                          "-c", "listen_addresses=", "-c", "max_connections=300",
                          "-c", f"unix_socket_directories={self.folder}"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def start(self):
        self._spawn()
        end = time.monotonic() + START_SECONDS
        while not self.query("SELECT 1", check=False):
            if time.monotonic() > end:
                raise AssertionError("PostgreSQL does not start")
            # It refuses to start while a process of the one before still ends.
            if self._process.poll() is not None:
                self._spawn()
            time.sleep(.05)

    def kill(self):
        """SIGKILL to all its processes, the first one first, so that it starts
        no other."""
        # Its number may be another process's after it has ended.
        if self._process is None or self._process.poll() is not None:
            return
        with open(os.path.join(self._data, "postmaster.pid"),
                  encoding="ascii") as file:
            first = file.readline().strip()
        with open(f"/proc/{first}/task/{first}/children",
                  encoding="ascii") as file:
            children = file.read().split()
        for process in [first, *children]:
            try:
                os.kill(int(process), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait(START_SECONDS)

    def query(self, sql, check=True):
        """The rows as text, without padding."""
        done = subprocess.run(
            self._command("psql", "--no-psqlrc", "--quiet", "--tuples-only",
                          "--no-align", f"--command={sql}", self.url),
            check=check, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        return done.stdout.strip()
