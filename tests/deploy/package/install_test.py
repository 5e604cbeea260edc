"""`cmake --install` puts everything where the programs look for it.

`./dev package-test` (run.sh beside this file) installs the Debian packages.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))), "e2e"))

import harness  # noqa: E402

DOCS = {"client": ["README.md", "advctl.md", "attacks.md"],
        "models": ["README.md"], "server": ["README.md", "systemd.md"],
        "trainer": ["README.md"]}
FILES = """
bin/advctl bin/advserver bin/advtrain
etc/default/advserver etc/default/advtrain
lib/systemd/system/advserver.service lib/systemd/system/advtrain@.service
lib/sysusers.d/adv-server.conf lib/sysusers.d/adv-trainer.conf
share/bash-completion/completions/advctl
share/doc/adv/LICENSE
share/fish/vendor_completions.d/advctl.fish
share/zsh/site-functions/_advctl
""".split()
MOST_EXPOSURE = 2.0


def expected_files():
    files = set(FILES)
    for part, names in DOCS.items():
        files.update(f"share/doc/adv-{part}/{name}"
                     for name in names + ["copyright", "changelog.gz"])
    protos = os.path.join(harness.ROOT, "proto")
    files.update(os.path.join("share/adv/proto", p) for p in glob.glob(
        "**/*.proto", root_dir=protos, recursive=True))
    files.update(os.path.join("share/adv/zoo", p) for p in glob.glob(
        "*/*/*", root_dir=harness.ZOO))
    return files


def install(prefix):
    subprocess.run(["cmake", "--install", harness.BUILD, "--prefix", prefix],
                   check=True, stdout=subprocess.DEVNULL)


def setUpModule():
    global PREFIX  # of all cases, which leave it as it was
    PREFIX = os.path.join(harness.temporary_folder(harness.ModuleScope), "usr")
    install(PREFIX)


def path(*parts):
    return os.path.join(PREFIX, *parts)


def read(*parts):
    with open(path(*parts), encoding="utf-8") as file:
        return file.read()


class FilesTest(unittest.TestCase):

    def test_every_file_has_its_place_and_none_is_left_over(self):
        found = {os.path.relpath(os.path.join(folder, name), PREFIX)
                 for folder, _, names in os.walk(PREFIX) for name in names}
        self.assertEqual(expected_files(), found)

    def test_settings_that_somebody_edited_stay(self):
        settings = path("etc", "default", "advserver")
        with open(settings, "a", encoding="utf-8") as file:
            file.write("# edited\n")
        install(PREFIX)
        self.assertTrue(read(settings).endswith("# edited\n"))

    def test_completion_is_for_its_shell(self):
        for shell, name, sign in (
                ("bash", "bash-completion/completions/advctl", "complete -"),
                ("zsh", "zsh/site-functions/_advctl", "#compdef advctl"),
                ("fish", "fish/vendor_completions.d/advctl.fish",
                 "complete -c advctl")):
            with self.subTest(shell=shell):
                self.assertIn(sign, read("share", name))


class UnitsTest(unittest.TestCase):

    UNITS = ("advserver.service", "advtrain@.service")

    def test_what_they_name_is_installed(self):
        for unit in self.UNITS:
            text = read("lib/systemd/system", unit)
            named = re.findall(rf"(?<![\w.]){re.escape(PREFIX)}[^\s@]*", text)
            self.assertGreater(len(named), 3, text)
            for name in named:
                with self.subTest(unit=unit, name=name):
                    self.assertTrue(os.path.exists(name))

    def test_nothing_is_left_to_fill_in(self):
        for unit in self.UNITS:
            self.assertNotRegex(read("lib/systemd/system", unit), r"@\w+@")

    @harness.needs_programs("systemd-analyze")
    def test_their_exposure_is_low(self):
        for unit in self.UNITS:
            with self.subTest(unit=unit):
                done = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true",
                     path("lib/systemd/system", unit)],
                    check=True, stdout=subprocess.PIPE, text=True)
                level = re.search(r"level for \S+: (\d+\.\d+)", done.stdout)
                self.assertLess(float(level[1]), MOST_EXPOSURE)


class ProgramsTest(unittest.TestCase):

    def local(self, *arguments):
        """advctl --local from a folder and with a PATH that know nothing."""
        return subprocess.run(
            [path("bin/advctl"), "--local", *arguments],
            cwd=harness.temporary_folder(self), env={"PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=harness.START_SECONDS, check=False)

    def test_they_find_each_other(self):
        done = self.local("evaluate", "--model", "no-cat", "--samples", "10",
                          "--output", "csv")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("no-cat", done.stdout)

    def test_the_zoo_is_the_installed_one(self):
        # A server of a build folder would fall back on the tree's zoo.
        zoo, hidden = path("share/adv/zoo"), path("share/adv/zoo.hidden")
        os.rename(zoo, hidden)
        self.addCleanup(os.rename, hidden, zoo)
        self.addCleanup(shutil.rmtree, zoo)
        shutil.copytree(os.path.join(hidden, "no-cat"),
                        os.path.join(zoo, "no-cat"))
        done = self.local("models", "list", "--output", "csv")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        names = [line.split(",")[0] for line in done.stdout.splitlines()]
        self.assertEqual(["model", "no-cat"], names)


if __name__ == "__main__":
    harness.main()
