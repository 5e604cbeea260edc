"""Models are published, reloaded and renamed while calls use them."""

import collections
import json
import os
import shutil
import threading
import time
import unittest

import grpc

import wire
from callers import wait_for
from harness import Server, advctl, main, needs_zoo, newest_version, \
    read_sample, store_with, stubs, temporary_folder

DEADLINE = 120
SECONDS = 30
CALLERS = 16

# When a call was made and answered, by which name, and what answered.
Reply = collections.namedtuple("Reply", "start end asked version digest")
# What a name may have stood for, from `start` on and, at the latest, to `end`.
Span = collections.namedtuple("Span", "start end version digest")


class Timeline:
    """What names stood for. A change takes a while, within which both the old
    and the new one may answer."""

    def __init__(self):
        self._spans = collections.defaultdict(list)

    def change(self, name, version, digest, make):
        """`make` is over once the name stands for this version."""
        start = time.monotonic()
        make()
        end = time.monotonic()
        spans = self._spans[name]
        if spans:
            spans[-1] = spans[-1]._replace(end=end)
        spans.append(Span(start, float("inf"), version, digest))

    def allows(self, reply):
        return any(span.start <= reply.end and reply.start <= span.end and
                   (span.version, span.digest) == (reply.version, reply.digest)
                   for span in self._spans[reply.asked])


class Callers:
    """Classify, many calls at once, by names in turn."""

    def __init__(self, test, address, names):
        self.replies, self.errors = [], []
        self._ended = threading.Event()
        _, images = read_sample()
        self._requests = [
            (name, stubs.attack_evaluation_service_pb2.ClassifyRequest(
                model=name, images=wire.batch(images[:2]), top_k=1))
            for name in names]
        service = wire.service(wire.connect(test, address))
        self._threads = [threading.Thread(target=self._call, args=(service,))
                         for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        test.addCleanup(self.end)

    def _call(self, service):
        while not self._ended.is_set():
            for name, request in self._requests:
                start = time.monotonic()
                try:
                    model = service.Classify(request, timeout=DEADLINE).model
                except grpc.RpcError as error:
                    self.errors.append(error)
                    continue
                self.replies.append(Reply(start, time.monotonic(), name,
                                          f"{model.name}@{model.version}",
                                          model.digest))

    def wait_for_replies(self, more):
        wanted = len(self.replies) + more
        wait_for(lambda: len(self.replies) >= wanted or self.errors)

    def end(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(DEADLINE)


class Publisher:
    """Publishes model "served", whose versions have the weights of two models
    of the zoo in turn."""

    SOURCES = ("no-cat", "balanced")

    def __init__(self, store):
        self._store = store
        self.version = 0

    def next(self):
        """A version that is ready to be published: its digest, and how."""
        self.version += 1
        source, manifest = newest_version(self.SOURCES[self.version % 2])
        staging = os.path.join(self._store, ".staging", str(self.version))
        shutil.copytree(source, staging)
        manifest.update(name="served", version=self.version)
        with open(os.path.join(staging, "manifest.json"), "w",
                  encoding="utf-8") as file:
            json.dump(manifest, file)
        place = os.path.join(self._store, "served", str(self.version))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        (digest,) = [entry["sha256"] for entry in manifest["files"]
                     if entry["name"] == "weights.safetensors"]
        return digest, lambda: os.rename(staging, place)


@needs_zoo
class ReloadUnderLoadTest(unittest.TestCase):

    def test_each_reply_is_of_a_version_that_was_live_and_none_fails(self):
        store, timeline = temporary_folder(self), Timeline()
        publisher = Publisher(store)
        digest, publish = publisher.next()
        timeline.change("served", "served@1", digest, publish)
        server = Server(self, "--poll-seconds=1", store=store)
        models = stubs.model_service_pb2_grpc.ModelServiceStub(
            wire.connect(self, server.address))
        pb = stubs.model_service_pb2

        def flip(version, digest):
            timeline.change("live", version, digest, lambda: models.
                            SetModelAlias(pb.SetModelAliasRequest(
                                alias="live", model=version),
                                timeout=DEADLINE))

        flip("served@1", digest)
        callers = Callers(self, server.address, ["served", "live"])
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not callers.errors:
            before, (digest, publish) = digest, publisher.next()
            version = f"served@{publisher.version}"

            def reload():
                publish()
                models.ReloadModels(pb.ReloadModelsRequest(), timeout=DEADLINE)

            timeline.change("served", version, digest, reload)
            for target in ((version, digest),
                           (f"served@{publisher.version - 1}", before)):
                flip(*target)
                callers.wait_for_replies(2 * CALLERS)
        callers.end()
        self.assertEqual([], callers.errors[:3], server.log()[-2000:])
        replies = callers.replies
        strange = [reply for reply in replies if not timeline.allows(reply)]
        self.assertEqual([], strange[:3], f"{len(strange)} of {len(replies)}")
        by_name = {name: {reply.version for reply in replies
                          if reply.asked == name}
                   for name in ("served", "live")}
        print(f"{len(replies)} replies, {publisher.version} versions, of "
              f"which answered by name {len(by_name['served'])} and by alias "
              f"{len(by_name['live'])}; 0 errors")
        self.assertGreater(publisher.version, 5)
        for versions in by_name.values():
            self.assertGreaterEqual(len(versions), publisher.version / 2)
        # That a wrong reply would be found.
        late = replies[-1]._replace(version="served@1")
        self.assertFalse(timeline.allows(late))
        self.assertFalse(timeline.allows(replies[-1]._replace(digest="")))


@needs_zoo
class AliasTest(unittest.TestCase):

    def test_advctl_sets_what_a_kill_does_not_lose(self):
        state = temporary_folder(self)
        store = store_with(self, "balanced", "no-cat")
        server = Server(self, state=state, store=store)
        version = newest_version("no-cat")[1]["version"]
        for arguments, said in (
                (("set", "canary", "no-cat"),
                 f"canary stands for no-cat@{version}.\n"),
                (("set", "stable", "balanced"), "stable stands for balanced@"),
                (("set", "stable", "canary"),
                 f"stable stands for no-cat@{version}.\n"),
                (("remove", "canary"), "Removed canary.\n")):
            done = advctl("models", "alias", *arguments, server=server.address)
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertTrue(done.stdout.startswith(said), done.stdout)
        self.assertIn("event=model_alias_set alias=stable target=no-cat",
                      server.log())
        server.kill()

        again = Server(self, state=state, store=store)
        done = advctl("models", "alias", "list", "--output=csv",
                      server=again.address)
        self.assertEqual(0, done.returncode, done.stderr)
        _, *rows = done.stdout.splitlines()
        self.assertEqual([["stable", "no-cat", "no-cat", str(version)]],
                         [row.split(",")[:4] for row in rows])
        _, images = read_sample()
        service = wire.service(wire.connect(self, again.address))
        model = service.Classify(
            stubs.attack_evaluation_service_pb2.ClassifyRequest(
                model="stable", images=wire.batch(images[:1])),
            timeout=DEADLINE).model
        self.assertEqual(("no-cat", int(version)), (model.name, model.version))


if __name__ == "__main__":
    main()
