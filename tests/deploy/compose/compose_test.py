"""deploy/compose.yaml as its users meet it: started, used, killed, stopped.

run.sh beside this builds the images and names them in the environment. One
story in order: each step needs those before it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
PROJECT = "advtest"
DEADLINE_SECONDS = 180
# An evaluation of many small tiles, so that a kill falls between two of them.
EVALUATE = ["evaluate", "--model=no-cat", "--no-compare",
            "--attack=pgd:steps=40", "--epsilon=2/255", "--samples=320",
            "--tile-size=16", "--output=json"]
STARTED = time.monotonic()


def say(text):
    print(f"==> {text} ({time.monotonic() - STARTED:.0f} s)", flush=True)


def run(*command, check=True):
    result = subprocess.run(command, check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{result.stdout}")
    return result.stdout


def compose(*arguments, profiles=()):
    flags = [flag for name in profiles for flag in ("--profile", name)]
    return run("docker-compose", "--project-name", PROJECT, "--file",
               os.path.join(ROOT, "deploy/compose.yaml"), *flags, *arguments)


def wait_until(condition, what):
    """What `condition` returns once it is true; an exception is not yet."""
    end = time.monotonic() + DEADLINE_SECONDS
    last = None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (AssertionError, OSError, ValueError, KeyError) as error:
            last = error
        time.sleep(0.3)
    raise AssertionError(f"waited in vain for {what}: {last}")


def container(service):
    return run("podman", "ps", "--all", "--quiet", "--filter",
               f"label=com.docker.compose.project={PROJECT}", "--filter",
               f"label=com.docker.compose.service={service}").split()[0]


def inspect(service):
    return json.loads(run("podman", "inspect", container(service)))[0]


def prometheus(path, **query):
    port = os.environ["ADV_PROMETHEUS_PORT"]
    url = f"http://127.0.0.1:{port}/api/v1/{path}"
    if query:
        url += "?" + urllib.parse.urlencode(query)
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)["data"]


def query_database(sql):
    return run("podman", "exec", "--env", "PGPASSWORD=adv",
               container("database"), "psql", "--username=adv",
               "--tuples-only", "--no-align", f"--command={sql}").split()


class Client:
    """A run of advctl in its image, on the host's network."""

    def __init__(self, *arguments, port="ADV_PORT"):
        address = f"localhost:{os.environ[port]}"
        self.id = run("podman", "run", "--detach", "--network=host",
                      "--read-only", "--env", f"ADVCTL_SERVER={address}",
                      os.environ["ADV_CLIENT_IMAGE"], *arguments).split()[-1]

    def wait(self):
        """Exit status, standard output and standard error."""
        status = int(run("podman", "wait", self.id))
        logs = subprocess.run(["podman", "logs", self.id], check=True,
                              text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        run("podman", "rm", self.id)
        return status, logs.stdout, logs.stderr


def advctl(*arguments, port="ADV_PORT"):
    status, out, err = Client(*arguments, port=port).wait()
    if status != 0:
        raise AssertionError(f"advctl {arguments}: {status}\n{out}{err}")
    return out


def digest_of(text):
    (evaluation,) = json.loads(text)["evaluations"]
    return evaluation["report"]["records_sha256"]


def write_data(folder):
    """Ten times the built-in sample in each file of CIFAR-10's layout."""
    with open(os.path.join(ROOT, "model_store/zoo/cifar10-sample.bin"),
              "rb") as file:
        content = file.read() * 10
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        with open(os.path.join(folder, name + ".bin"), "wb") as file:
            file.write(content)
    os.chmod(folder, 0o755)


class ComposeTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.data = tempfile.mkdtemp(prefix="compose_test_")
        cls.addClassCleanup(shutil.rmtree, cls.data)
        write_data(cls.data)
        os.environ.update({
            "ADV_PORT": "50251", "ADV_BALANCER_PORT": "50250",
            "ADV_PROMETHEUS_PORT": "9290", "ADV_ALERTMANAGER_PORT": "9293",
            "ADV_DATA": cls.data, "ADV_TRAIN_MODELS": "balanced",
            "ADV_TRAIN_FLAGS":
                "--quick --epochs=4 --train-images=2000 --threads=1",
            "ADV_LOG_DRIVER": "k8s-file"})
        cls.addClassCleanup(compose, "down", "--volumes",
                            profiles=("train", "replicas"))
        compose("down", "--volumes", profiles=("train", "replicas"))

    def test_the_whole_story(self):
        self.start()
        self.see_the_targets(("advserver",))
        self.see_the_runbook()
        self.train_and_serve()
        digest = self.kill_in_the_middle()
        self.see_the_measurement()
        self.stop_and_start_again(digest)
        self.balance_over_replicas(digest)

    def start(self):
        compose("up", "--detach", "--no-build", "server", "prometheus",
                "alertmanager")
        wait_until(lambda: advctl("server", "ready"), "the server")
        say("up, the server is ready")
        health = inspect("server")
        self.assertTrue(health["HostConfig"]["ReadonlyRootfs"])
        run("podman", "healthcheck", "run", container("server"))
        user = run("podman", "exec", container("server"), "id", "-un").strip()
        self.assertEqual("adv", user)
        say(f"its health check passes; it runs as {user}, its root file system "
            "cannot be written")

    def see_the_targets(self, jobs):
        def up():
            targets = prometheus("targets")["activeTargets"]
            return {target["labels"]["job"] for target in targets
                    if target["health"] == "up"}
        wait_until(lambda: up().issuperset(jobs), f"the targets {jobs}")
        say(f"Prometheus scrapes {', '.join(sorted(up()))}")

    def see_the_runbook(self):
        with urllib.request.urlopen(
                f"http://127.0.0.1:{os.environ['ADV_PROMETHEUS_PORT']}"
                "/user/RUNBOOK.md", timeout=10) as reply:
            self.assertIn("AdvServerDown", reply.read().decode())
        groups = prometheus("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual([], [rule["name"] for rule in rules
                              if rule["health"] == "err"])
        managers = prometheus("alertmanagers")["activeAlertmanagers"]
        self.assertEqual(1, len(managers))
        say(f"Prometheus has {len(rules)} rules, the runbook and an "
            "Alertmanager")

    def train_and_serve(self):
        compose("up", "--detach", "--no-build", "trainer", profiles=("train",))
        self.see_the_targets(("advtrain",))
        wait_until(lambda: "balanced-trained" in advctl("models", "list"),
                   "the trained model")
        self.assertEqual(0, inspect("server")["RestartCount"])
        out = advctl("evaluate", "--model=balanced-trained", "--no-compare",
                     "--attack=fgsm", "--epsilon=2/255", "--samples=20",
                     "--output=json")
        say("trained balanced-trained; the server serves it without a restart: "
            "records " + digest_of(out)[:12])

    def kill_in_the_middle(self):
        client = Client(*EVALUATE)

        def done():
            listed = json.loads(advctl("evaluations", "list", "--output=json"))
            newest = listed["evaluations"][0]
            return newest["state"].endswith("RUNNING") and \
                int(newest.get("samples_done", 0))
        before = wait_until(done, "the first tiles")
        os.kill(int(inspect("server")["State"]["Pid"]), signal.SIGKILL)
        status, _, err = client.wait()
        self.assertEqual(3, status, err)
        say(f"killed the server after {before} of 320 images; advctl says: "
            + err.strip().splitlines()[-1])
        wait_until(lambda: advctl("server", "ready"), "the server's restart")
        again = Client(*EVALUATE)
        first = wait_until(done, "the evaluation to go on")
        self.assertGreaterEqual(first, before)
        status, out, err = again.wait()
        self.assertEqual(0, status, err)
        alone = subprocess.run(
            ["podman", "exec", container("server"), "advctl", "--local",
             *EVALUATE], check=True, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL).stdout
        self.assertEqual(digest_of(alone), digest_of(out))
        say(f"restarted and resumed at {first} images; the same records as in "
            f"one run: {digest_of(out)[:12]}")
        return digest_of(out)

    def see_the_measurement(self):
        query = 'adv_evaluation_robust_accuracy_ratio{model="no-cat"}'

        def answer():
            return prometheus("query", query=query)["result"]
        (series,) = wait_until(answer, query)
        say(f"Prometheus answers {query}: {series['value'][1]}")

    def stop_and_start_again(self, digest):
        pid = inspect("server")["State"]["Pid"]
        compose("stop", "server")
        self.assertEqual(0, inspect("server")["State"]["ExitCode"])
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        compose("down", profiles=("train",))
        volumes = run("podman", "volume", "ls", "--quiet").split()
        self.assertIn(f"{PROJECT}_state", volumes)
        say("down: the server drained with exit status 0, the volumes are kept")
        compose("up", "--detach", "--no-build", "server", "prometheus")
        wait_until(lambda: advctl("server", "ready"), "the server")
        began = time.monotonic()
        self.assertEqual(digest, digest_of(advctl(*EVALUATE)))
        self.assertIn("balanced-trained", advctl("models", "list"))
        say("up again: the evaluation is still there, told in "
            f"{time.monotonic() - began:.1f} s, and so is the trained model")

    def balance_over_replicas(self, digest):
        compose("up", "--detach", "--no-build", "--scale", "replica=2",
                "replica", "database", "balancer", profiles=("replicas",))
        wait_until(lambda: advctl("server", "ready", port="ADV_BALANCER_PORT"),
                   "the balancer")

        def both():
            (result,) = prometheus(
                "query", query='count(up{job="advserver"} == 1)')["result"]
            return int(result["value"][1]) == 3
        wait_until(both, "Prometheus to see all three servers")
        # The replicas know nothing of what the server before them measured.
        client = Client(*EVALUATE, port="ADV_BALANCER_PORT")

        def tiles():
            """How many each replica has taken; the owners are the hosts."""
            return query_database("SELECT count(*) FROM adv.tiles "
                                  "WHERE owner IS NOT NULL GROUP BY owner")
        wait_until(lambda: len(tiles()) == 2, "both replicas to work")
        shares = tiles()
        os.kill(int(inspect("replica")["State"]["Pid"]), signal.SIGKILL)
        # It may have followed the evaluation at the one that was killed.
        status, out, err = client.wait()
        self.assertIn(status, (0, 3), err)
        if status == 3:
            out = advctl(*EVALUATE, port="ADV_BALANCER_PORT")
        self.assertEqual(digest, digest_of(out))
        say(f"two replicas behind HAProxy had taken {' and '.join(shares)} "
            "tiles of one evaluation when one was killed: records "
            f"{digest_of(out)[:12]}, those of the server alone")
        run("podman", "stop", container("replica"))
        for _ in range(10):
            listed = json.loads(advctl("evaluations", "list", "--output=json",
                                       port="ADV_BALANCER_PORT"))
            self.assertEqual(1, len(listed["evaluations"]))
        say("ten lists through HAProxy after one of them stopped")


if __name__ == "__main__":
    if "ADV_SERVER_IMAGE" not in os.environ:
        sys.exit("run ./dev compose-test, which makes the images")
    unittest.main(verbosity=2)
