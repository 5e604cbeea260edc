"""A real Prometheus scrapes a real server."""

import json
import os
import subprocess
import time
import unittest
import urllib.parse
import urllib.request

import wire
from harness import (Server, free_port, main, needs_programs, needs_zoo,
                     read_sample, stubs, temporary_folder)

DEADLINE = 120
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: adv
  static_configs: [{{targets: ['{target}']}}]
"""


def get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


@needs_zoo
class MetricsTest(unittest.TestCase):

    def setUp(self):
        self.metrics = f"127.0.0.1:{free_port()}"
        self.server = Server(self, metrics=self.metrics)
        service = wire.service(wire.connect(self, self.server.address))
        _, images = read_sample()
        service.Classify(
            stubs.attack_evaluation_service_pb2.ClassifyRequest(
                model="balanced", images=wire.batch(images[:4])),
            timeout=wire.CALL_SECONDS)

    def test_the_text_is_there_and_counts(self):
        text = get(f"http://{self.metrics}/metrics")
        names = {line.split("{")[0].split(" ")[0]
                 for line in text.splitlines() if line[:1] not in ("", "#")}
        ours = {name for name in names if name.startswith("adv_")}
        self.assertGreater(len(ours), 10, names)
        handled = [line for line in text.splitlines()
                   if line.startswith("adv_") and "Classify" in line
                   and "_total" in line]
        self.assertTrue(any(float(line.split()[-1]) >= 1
                            for line in handled), handled)

    def test_the_probes_answer(self):
        for path in ("livez", "readyz", "buildinfo"):
            with self.subTest(path=path):
                self.assertTrue(get(f"http://{self.metrics}/{path}"))

    @needs_programs("promtool")
    def test_the_names_follow_the_rules_of_prometheus(self):
        checked = subprocess.run(
            ["promtool", "check", "metrics"], check=False, text=True,
            input=get(f"http://{self.metrics}/metrics"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((0, ""), (checked.returncode, checked.stdout))

    @needs_programs("prometheus")
    def test_the_target_is_up_and_its_series_arrive(self):
        api = self.start_prometheus()
        self.await_value(api, 'up{job="adv"}', lambda v: v == 1)
        self.await_value(api, 'count({__name__=~"adv_.*"})', lambda v: v > 10)

    def start_prometheus(self):
        folder = temporary_folder(self)
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(target=self.metrics))
        address = f"127.0.0.1:{free_port()}"
        with open(os.path.join(folder, "log"), "wb") as log:
            process = subprocess.Popen(
                ["prometheus", f"--config.file={config}",
                 f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={address}"], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return f"http://{address}/api/v1/query?query="

    def await_value(self, api, query, accept):
        """Polls until the query has one value that is accepted."""
        end, last = time.monotonic() + DEADLINE, None
        while time.monotonic() < end:
            try:
                last = json.loads(get(api + urllib.parse.quote(query)))
                result = last["data"]["result"]
                if result and accept(float(result[0]["value"][1])):
                    return
            except OSError as error:  # it is still starting
                last = error
            time.sleep(.1)
        self.fail(f"{query}: {last}")


if __name__ == "__main__":
    main()
