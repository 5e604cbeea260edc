#!/usr/bin/python3
"""Makes the pictures in deploy/grafana: drives a real server, a real training
worker and a real Prometheus for some minutes, asks what each panel asks, and
shows the answers with Grafana's own components in a headless Chromium.

    tests/deploy/grafana/render/render.py [MINUTES]

Needs Debian's chromium, npm, prometheus and python3-pil, and the programs in
ADV_BUILD_DIR (default build/dev)."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
# pylint: disable=wrong-import-position
import dashboards  # noqa: E402
from stack import Load, Stack, poll  # noqa: E402

TOOLS = os.path.join(dashboards.ROOT, "build", "tools", "grafana-ui")
PACKAGES = ["@grafana/data@13.2.3", "@grafana/ui@13.2.3", "esbuild@0.28.2",
            "react@19", "react-dom@19", "rxjs@7"]
WIDTH = 1600  # of the page; its margin is 16
MODELS = ["balanced", "no-cat", "no-dog"]
BUILT_IN = {"__rate_interval": "20s", "__interval": "5s"}
PROGRESS = ("adv_evaluation_running_images_done"
            " / adv_evaluation_running_images > 0.3")
PAGE = """<!doctype html><meta charset=utf-8>
<link rel=stylesheet href=page.css>
<body style="margin:0; background:#111217"><div id=page></div>
<script>window.shown = {shown}</script><script src=page.js></script>"""


def bundle():
    """Installs Grafana's components once, and puts them and the page into one
    file."""
    if not os.path.isdir(os.path.join(TOOLS, "node_modules")):
        subprocess.run(["npm", "install", "--silent", "--no-save", "--no-audit",
                        "--no-fund", f"--prefix={TOOLS}", *PACKAGES],
                       check=True)
    shutil.copy(os.path.join(HERE, "page.tsx"), TOOLS)
    subprocess.run(
        ["node_modules/.bin/esbuild", "page.tsx", "--bundle", "--minify",
         "--outfile=page.js", "--jsx=automatic", "--loader:.ttf=empty",
         '--define:process.env.NODE_ENV="production"', "--log-level=warning"],
        cwd=TOOLS, check=True)


def live(stack, minutes):
    """Work for so many minutes, then evaluations that are on their way."""
    end = time.monotonic() + 60 * minutes
    Load(stack, MODELS, pause=1, turns_between_bursts=60)

    def evaluate(model, *flags):
        return stack.advctl("evaluate", f"--model={model}",
                            "--attack=fgsm,igsm,pgd", *flags)

    for samples, epsilon in ((100, "1/255"), (300, "2/255")):
        evaluate(",".join(MODELS), f"--samples={samples}",
                 f"--epsilon={epsilon}").wait()
        print(f"evaluated {samples} images of each of {MODELS}", flush=True)
    time.sleep(max(0, end - time.monotonic()))
    for number, model in enumerate(MODELS, start=1):
        evaluate(model, f"--samples={400 * number}", "--epsilon=2/255")
    poll(lambda: stack.query(PROGRESS, instant=True), "progress")


def answers(stack, dashboard):
    """{panel: {query: series}}"""
    values = dict(BUILT_IN, __range=f"{round(time.time() - stack.start)}s")
    for variable, selector, label in dashboards.variables(dashboard):
        values[variable] = dashboards.any_of(stack.ask(
            f"label/{label}/values",
            **{"match[]": dashboards.substitute(selector, values)}))
    found = {}
    for panel in dashboards.panels(dashboard):
        step = 20 if "interval" in panel else 2  # seconds
        found[panel["id"]] = {target["refId"]: stack.query(
            dashboards.substitute(target["expr"], values),
            target.get("instant", False), step)
            for target in panel["targets"]}
    return found


def picture(name, dashboard, shown):
    """A PNG of 256 colours, and so small."""
    page = os.path.join(TOOLS, f"{name}.html")
    with open(page, "w", encoding="utf-8") as file:
        file.write(PAGE.format(shown=json.dumps(shown)))
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"]
               for p in dashboard["panels"])
    raw = os.path.join(TOOLS, f"{name}.png")
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars",
         "--disable-gpu", "--virtual-time-budget=20000",
         f"--window-size={WIDTH + 32},{rows * 38 + 24}",
         f"--screenshot={raw}", f"file://{page}"],
        check=True, stderr=subprocess.DEVNULL)
    target = os.path.join(dashboards.DEPLOY, "grafana", f"{name}.png")
    few = Image.open(raw).convert("RGB").quantize(256, dither=0)
    few.save(target, optimize=True)
    print(f"{target}: {os.path.getsize(target)} bytes", flush=True)


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    bundle()
    with contextlib.ExitStack() as scope:
        scope.addCleanup = scope.callback  # what Stack asks of a test
        stack = Stack(scope)
        live(stack, minutes)
        for file, dashboard in dashboards.read_all().items():
            name = file.removesuffix(".json")
            picture(name, dashboard, {
                "dashboard": dashboard, "width": WIDTH,
                "from": stack.start * 1000, "to": time.time() * 1000,
                "answers": answers(stack, dashboard)})


if __name__ == "__main__":
    main()
