"""ONNX models, written by Debian's Python torch: imported, served and attacked
where the build found ONNX Runtime, and refused with the reason where not."""

import io
import os
import unittest

import grpc
import torch
from torch import nn

import wire
from harness import Server, advctl, main, stubs, temporary_folder

SHAPE = (1, 28, 28)


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Flatten(),
                         nn.Linear(8 * 12 * 12, 10)).eval()


def exported(module, batch=None):
    """The bytes of an ONNX model that takes any number of images, or `batch`."""
    content = io.BytesIO()
    torch.onnx.export(
        module, torch.zeros(batch or 1, *SHAPE), content,
        input_names=["pixels"], output_names=["scores"],
        dynamic_axes=None if batch else {"pixels": {0: "n"},
                                         "scores": {0: "n"}})
    return content.getvalue()


class Importer:

    def __init__(self, test):
        self.folder = temporary_folder(test)
        self.store = os.path.join(self.folder, "store")
        self.classes = os.path.join(self.folder, "classes.txt")
        with open(self.classes, "w", encoding="utf-8") as file:
            file.writelines(f"class {i}\n" for i in range(10))

    def add(self, name, content, *flags, shape=SHAPE):
        path = os.path.join(self.folder, f"{name}.onnx")
        with open(path, "wb") as file:
            file.write(content)
        return advctl("models", "import", path, f"--store={self.store}",
                      f"--shape={'x'.join(map(str, shape))}",
                      f"--classes={self.classes}", *flags)


def has_runtime():

    class Scope:
        addCleanup = staticmethod(unittest.addModuleCleanup)

    done = Importer(Scope).add("probe", b"no model")
    assert done.returncode != 0, done.stdout
    return "built without" not in done.stderr


class OnnxTest(unittest.TestCase):

    def setUp(self):
        if not has_runtime():
            self.skipTest("this build found no ONNX Runtime")
        self.model = network()
        self.importer = Importer(self)

    def serve(self):
        server = Server(self, f"--store={self.importer.store}")
        self.pb = stubs.attack_evaluation_service_pb2
        self.service = wire.service(wire.connect(self, server.address))
        return server

    def images(self, count=5):
        return torch.rand((count, *SHAPE),
                          generator=torch.Generator().manual_seed(1))

    def test_scores_are_pythons_with_any_number_of_images_or_a_fixed_one(self):
        for name, batch in (("any", None), ("fixed", 4)):
            done = self.importer.add(name, exported(self.model, batch))
            self.assertEqual(0, done.returncode, done.stderr)
        self.serve()
        with torch.no_grad():
            expected = self.model(self.images())
        for name in ("any", "fixed"):
            reply = self.service.Classify(self.pb.ClassifyRequest(
                model=name, images=wire.batch(self.images().numpy()),
                include_logits=True), timeout=wire.CALL_SECONDS)
            served = torch.from_numpy(wire.logits_of(reply.results))
            worst = (served - expected).abs().max().item()
            print(f"{name}: logits differ by {worst:.1e}")
            self.assertLess(worst, 1e-5)

    def test_attacks_go_by_scores(self):
        done = self.importer.add("any", exported(self.model))
        self.assertEqual(0, done.returncode, done.stderr)
        self.serve()
        request = self.pb.GenerateAdversarialRequest(
            model="any", images=wire.batch(self.images().numpy()),
            attack=wire.attack("square", queries=200),
            epsilon=wire.pixels(.3))
        reply = self.service.GenerateAdversarial(request,
                                                 timeout=wire.CALL_SECONDS)
        self.assertTrue(any(r.record.success for r in reply.results))
        request.attack.CopyFrom(wire.attack("pgd"))
        with self.assertRaises(grpc.RpcError) as caught:
            self.service.GenerateAdversarial(request, timeout=wire.CALL_SECONDS)
        self.assertIn("gradients", caught.exception.details())

    def test_what_does_not_fit_is_refused(self):
        content = exported(self.model)
        done = self.importer.add("bad", content, shape=(3, 28, 28))
        self.assertNotEqual(0, done.returncode)
        self.assertIn("[N, 3, 28, 28]", done.stderr)
        done = self.importer.add("bad", b"no model")
        self.assertIn("is no ONNX model", done.stderr)


class NoRuntimeTest(unittest.TestCase):

    def test_it_is_refused_with_the_reason(self):
        if has_runtime():
            self.skipTest("this build found ONNX Runtime")
        done = Importer(self).add("digits", exported(network()))
        self.assertNotEqual(0, done.returncode)
        self.assertIn("ONNX Runtime", done.stderr)


if __name__ == "__main__":
    main()
