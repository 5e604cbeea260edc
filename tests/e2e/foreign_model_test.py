"""Models that were made outside this project: TorchScript modules of Debian's
Python torch, imported, served, attacked, and compared with Python's own
numbers."""

import json
import os
import subprocess
import unittest

import grpc
import numpy
import PIL.Image
import torch
from torch import nn

import wire
from harness import (Server, advctl, environment, main, stubs,
                     temporary_folder)

MEAN, STD = (.48, .45, .4), (.22, .23, .24)


class Digits(nn.Module):
    """Gray images of 28 x 28 pixels, ten classes."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3),
            nn.ReLU(), nn.Flatten(), nn.Linear(16 * 10 * 10, 10))

    def forward(self, x):
        return self.layers(x)


class Block(nn.Module):

    def __init__(self, channels, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(2 * channels), nn.ReLU(),
            nn.Conv2d(2 * channels, 2 * channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(2 * channels))
        self.short = nn.Conv2d(channels, 2 * channels, 1, stride, bias=False)

    def forward(self, x):
        return torch.relu(self.body(x) + self.short(x))


class Residual(nn.Module):
    """A residual network of any size of image and any number of classes."""

    def __init__(self, classes, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.blocks = nn.Sequential(Block(width, 2), Block(2 * width, 2))
        self.last = nn.Linear(4 * width, classes)

    def forward(self, x):
        return self.last(self.blocks(self.stem(x)).mean((2, 3)))


class Probabilities(nn.Module):

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x).softmax(1)


class Decisions(nn.Module):
    """Scores without a gradient."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x).detach()


def made(network, seed=0):
    """With random weights that spread the logits, in evaluation mode."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, .1)
            module.running_var.uniform_(.5, 2)
    return network.eval()


def transform(x):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std


def per_channel(values):
    return ",".join(map(str, values))


PREPROCESS = f"mean={per_channel(MEAN)},std={per_channel(STD)}"


def write_classes(path, count):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"class {i}\n" for i in range(count))


def write_safetensors(path, **arrays):
    """As the library of that name does."""
    kinds = {"uint8": "U8", "int64": "I64"}
    header, end = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": kinds[array.dtype.name],
                        "shape": array.shape,
                        "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.tobytes())


class Imported:
    """A store of its own, filled by advctl models import."""

    def __init__(self, test):
        self.folder = temporary_folder(test)
        self.store = os.path.join(self.folder, "store")

    def add(self, network, name, shape, classes, *flags, through=None):
        """advctl's answer to the import of the module."""
        path = os.path.join(self.folder, f"{name}.pt")
        (through or torch.jit.script)(network).save(path)
        names = os.path.join(self.folder, f"{name}.txt")
        write_classes(names, classes)
        return advctl("models", "import", path, f"--store={self.store}",
                      f"--shape={'x'.join(map(str, shape))}",
                      f"--classes={names}", *flags)

    def manifest(self, name):
        with open(os.path.join(self.store, name, "1", "manifest.json"),
                  encoding="utf-8") as file:
            return json.load(file)


class ForeignModelTest(unittest.TestCase):

    # The other models are sources of transfers alone.
    WITH_DATA = ("digits", "residual", "residual-too", "thousand")

    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(os.cpu_count() or 1)

        class Scope:
            addCleanup = staticmethod(cls.addClassCleanup)

        cls.models = {
            "digits": (made(Digits()), (1, 28, 28), 10, lambda x: x, ()),
            "digits-too": (made(Digits(), 1), (1, 28, 28), 10, lambda x: x, ()),
            "residual": (made(Residual(100)), (3, 64, 64), 100, transform,
                         (f"--preprocess={PREPROCESS}",)),
            "residual-too": (made(Residual(100), 1), (3, 64, 64), 100,
                             transform, (f"--preprocess={PREPROCESS}",)),
            "thousand": (made(Residual(1000)), (3, 224, 224), 1000,
                         lambda x: 255 * x.flip(1),
                         ("--preprocess=range=255,order=bgr",)),
            "thousand-too": (made(Residual(1000), 1), (3, 224, 224), 1000,
                             lambda x: x, ()),
        }
        imported = Imported(Scope)
        for name, (network, shape, classes, _, flags) in cls.models.items():
            done = imported.add(network, name, shape, classes, *flags)
            assert done.returncode == 0, done.stderr
            print(done.stdout.strip())
        done = imported.add(Probabilities(cls.models["residual"][0]),
                            "probable", (3, 64, 64), 100, "--probabilities",
                            f"--preprocess={PREPROCESS}")
        assert done.returncode == 0, done.stderr
        done = imported.add(Decisions(cls.models["digits"][0]), "closed",
                            (1, 28, 28), 10, "--without-gradients")
        assert done.returncode == 0, done.stderr
        cls.imported = imported
        cls.server = Server(Scope, "--allow-code-models",
                            f"--store={imported.store}",
                            *(f"--dataset={name}={path}"
                              for name, path in cls.write_data(Scope)))

    @classmethod
    def write_data(cls, scope):
        """A data set for each model, each in another format, labelled with
        the model's predictions."""
        for name in cls.WITH_DATA:
            network, shape, classes, prepare, _ = cls.models[name]
            folder = temporary_folder(scope)
            images = torch.randint(256, (24, *shape), dtype=torch.uint8,
                                   generator=torch.Generator().manual_seed(5))
            with torch.no_grad():
                labels = network(prepare(images / 255)).argmax(1)
            path = folder
            if name == "digits":  # floats, gray, without an axis for it
                numpy.save(os.path.join(folder, "images.npy"),
                           (images[:, 0] / 255).numpy())
                numpy.save(os.path.join(folder, "labels.npy"), labels.numpy())
            elif name == "residual":
                path = os.path.join(folder, "data.npz")
                numpy.savez(path, images=images.permute(0, 2, 3, 1).numpy(),
                            labels=labels.numpy().astype("int32"))
            elif name == "residual-too":
                path = os.path.join(folder, "data.npz")
                numpy.savez_compressed(path, images=images.numpy(),
                                       labels=labels.numpy())
            else:
                path = os.path.join(folder, "data.safetensors")
                write_safetensors(path, images=images.numpy(),
                                  labels=labels.numpy())
            write_classes(os.path.join(folder, "classes.txt"), classes)
            yield name, path

    def setUp(self):
        self.service = wire.service(wire.connect(self, self.server.address))
        self.pb = stubs.attack_evaluation_service_pb2

    def images(self, name, count=4):
        """Away from the edges of the box, so that no clip hides anything."""
        shape = self.models[name][1]
        return torch.rand((count, *shape),
                          generator=torch.Generator().manual_seed(3)) * .6 + .2

    def classify(self, name, images):
        reply = self.service.Classify(self.pb.ClassifyRequest(
            model=name, images=wire.batch(images.numpy()), include_logits=True),
            timeout=wire.CALL_SECONDS)
        return torch.from_numpy(wire.logits_of(reply.results))

    def attack(self, name, images, attack, epsilon, **fields):
        return self.service.GenerateAdversarial(
            self.pb.GenerateAdversarialRequest(
                model=name, images=wire.batch(images.numpy()), attack=attack,
                epsilon=wire.pixels(epsilon), **fields),
            timeout=wire.CALL_SECONDS)

    def test_logits_are_pythons(self):
        for name, (network, _, _, prepare, _) in self.models.items():
            images = self.images(name)
            with torch.no_grad():
                expected = network(prepare(images))
            served = self.classify(name, images)
            scale = expected.abs().max().item()
            worst = (served - expected).abs().max().item() / scale
            print(f"{name}: logits differ by {worst:.1e} of the largest")
            self.assertLess(worst, 1e-5, name)

    def test_gradients_are_pythons(self):
        """One PGD step in L2 goes along the gradient made a unit vector."""
        epsilon = 1e-2
        for name, (network, _, _, prepare, _) in self.models.items():
            images = self.images(name, 2)
            x = images.clone().requires_grad_(True)
            logits = network(prepare(x))
            # The log-odds loss has the direction of the cross-entropy.
            loss = nn.functional.cross_entropy(logits, logits.argmax(1),
                                               reduction="sum")
            gradient, = torch.autograd.grad(loss, x)
            expected = gradient / gradient.flatten(1).norm(dim=1).view(
                -1, 1, 1, 1)
            step = wire.attack("pgd", steps=1, random_start=False,
                               step_size=wire.pixels(epsilon))
            reply = self.attack(name, images, step, epsilon,
                                norm=stubs.attack_pb2.NORM_L2)
            moved = torch.from_numpy(wire.images_of(reply.images).copy())
            found = (moved.double() - images.double()) / epsilon
            # A pixel of 1 has a last bit of 6e-8, which is 6e-6 of the step.
            worst = (found - expected).abs().max().item()
            print(f"{name}: directions differ by {worst:.1e} of a unit")
            self.assertLess(worst, 1e-5, name)

    def test_probabilities_stand_for_logits(self):
        images = self.images("residual")
        expected = self.classify("residual", images).log_softmax(1)
        served = self.classify("probable", images)
        self.assertLess((served - expected).abs().max().item(), 1e-3)
        self.assertTrue(torch.equal(served.argmax(1), expected.argmax(1)))

    def test_every_model_is_fooled(self):
        for name in self.models:
            # Large: weights differ in last bits from processor to processor,
            # and with them how far away the next class is.
            reply = self.attack(name, self.images(name), wire.attack(
                "pgd", steps=5), 32 / 255)
            fooled = sum(r.record.success for r in reply.results)
            print(f"{name}: {fooled} of {len(reply.results)} fooled")
            self.assertTrue(fooled > 0, name)

    def test_transfer(self):
        for name in ("digits", "residual", "thousand"):
            reply = self.attack(name, self.images(name),
                                wire.attack("igsm", steps=4), 16 / 255,
                                source_model=f"{name}-too")
            self.assertEqual(f"{name}-too", reply.source_model.name)
        with self.assertRaises(grpc.RpcError) as caught:
            self.attack("residual", self.images("residual"),
                        wire.attack("fgsm"), 8 / 255, source_model="thousand")
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT,
                         caught.exception.code())

    def test_evaluations_on_data_of_ones_own(self):
        for name in self.WITH_DATA:
            classes = self.models[name][2]
            report = self.evaluate(name, "--attack=fgsm,noise",
                                   "--epsilon=8/255", "--samples=24")
            again = self.evaluate(name, "--attack=fgsm,noise",
                                  "--epsilon=8/255", "--samples=24")
            self.assertEqual(report["records_sha256"],
                             again["records_sha256"], name)
            self.assertEqual(classes, len(report["class_names"]))
            # Labels are Python's own predictions.
            self.assertEqual("24", report["clean_accuracy"]["count"], name)
            fgsm, noise = report["results"]
            self.assertLess(int(fgsm["overall"]["robust_accuracy"]["count"]),
                            int(noise["overall"]["robust_accuracy"]["count"]))
            self.assertLess(len(json.dumps(report)), 3_000_000, name)

    def test_a_transfer_between_models_of_ones_own(self):
        for name in ("digits", "residual", "thousand"):
            report = self.evaluate(name, f"--source-model={name}-too",
                                   "--attack=pgd:steps=4", "--epsilon=8/255",
                                   "--samples=16")
            self.assertEqual(f"{name}-too",
                             report["resolved"]["source_model"]["name"])

    def evaluate(self, model, *flags):
        """The report of advctl on the model's own data set."""
        done = advctl("evaluate", f"--model={model}", f"--dataset={model}",
                      "--no-compare", "--output=json", *flags,
                      server=self.server.address)
        self.assertEqual(0, done.returncode, done.stderr)
        evaluation, = json.loads(done.stdout)["evaluations"]
        return evaluation["report"]

    def test_without_gradients_other_attacks_do(self):
        images = self.images("digits")
        reply = self.attack("closed", images,
                            wire.attack("square", queries=200), 32 / 255)
        self.assertTrue(any(r.record.success for r in reply.results))
        with self.assertRaises(grpc.RpcError) as caught:
            self.attack("closed", images, wire.attack("pgd"), 8 / 255)
        self.assertEqual(grpc.StatusCode.INVALID_ARGUMENT,
                         caught.exception.code())
        for word in ("gradients", "square", "hop_skip_jump"):
            self.assertIn(word, caught.exception.details())

    def test_image_files_are_fitted_to_the_model(self):
        folder = temporary_folder(self)
        path = os.path.join(folder, "photo.png")
        pixels = numpy.random.RandomState(2).randint(
            256, size=(40, 50, 3), dtype="uint8")
        PIL.Image.fromarray(pixels).save(path)
        for name, (_, shape, _, _, _) in self.models.items():
            seen = advctl("classify", path, f"--model={name}", "--verbose",
                          server=self.server.address)
            self.assertEqual(0, seen.returncode, seen.stderr)
            self.assertIn(f"{shape[2]}x{shape[1]}", seen.stderr)
            out = os.path.join(folder, f"{name}.png")
            done = advctl("attack", path, f"--model={name}", "--attack=fgsm",
                          f"--out={out}", server=self.server.address)
            self.assertEqual(0, done.returncode, done.stderr)
            with PIL.Image.open(out) as image:
                self.assertEqual((shape[2], shape[1]), image.size)
                self.assertEqual("L" if shape[0] == 1 else "RGB", image.mode)
            # Small pictures are enlarged for the eye, large ones are not.
            scale = {28: 8, 64: 4, 224: 1}[shape[1]]
            with PIL.Image.open(os.path.join(
                    folder, f"{name}-compare.png")) as picture:
                self.assertEqual(
                    (scale * (3 * shape[2] + 2), scale * shape[1]),
                    picture.size)

    def test_a_file_of_the_models_shape_comes_as_it_is(self):
        path = os.path.join(temporary_folder(self), "digit.png")
        pixels = numpy.random.RandomState(3).randint(
            256, size=(28, 28), dtype="uint8")
        PIL.Image.fromarray(pixels).save(path)
        done = advctl("classify", path, "--model=digits", "--top-k=0",
                      "--output=json", server=self.server.address)
        self.assertEqual(0, done.returncode, done.stderr)
        with torch.no_grad():
            logits = self.models["digits"][0](
                torch.from_numpy(pixels)[None, None] / 255)
        expected = logits.softmax(1)[0]
        for one in json.loads(done.stdout)["results"][0]["top"]:
            self.assertAlmostEqual(expected[one["label"]].item(),
                                   one["probability"], places=5)

    def test_a_photograph_is_seen_upright(self):
        folder = temporary_folder(self)
        upright = PIL.Image.fromarray(numpy.random.RandomState(4).randint(
            256, size=(64, 64, 3), dtype="uint8"))
        answers = []
        for name, image, orientation in (
                ("upright", upright, 1),
                # Stored lying on its side, to be turned to the right.
                ("lying", upright.transpose(PIL.Image.Transpose.ROTATE_90), 6)):
            path = os.path.join(folder, f"{name}.jpg")
            exif = PIL.Image.Exif()
            exif[0x112] = orientation
            image.save(path, quality=100, subsampling=0, exif=exif)
            done = advctl("classify", path, "--model=residual", "--top-k=0",
                          "--output=json", server=self.server.address)
            self.assertEqual(0, done.returncode, done.stderr)
            top = json.loads(done.stdout)["results"][0]["top"]
            answers.append({c["class_name"]: c["probability"] for c in top})
        apart = max(abs(answers[0][c] - answers[1][c]) for c in answers[0])
        print(f"probabilities differ by {apart:.1e}")
        self.assertLess(apart, .05)

    def test_what_runs_code_is_told(self):
        shown = advctl("models", "show", "residual",
                       server=self.server.address)
        self.assertEqual(0, shown.returncode, shown.stderr)
        self.assertIn("torchscript", shown.stdout)
        self.assertIn("code", shown.stdout)
        self.assertIn("in any batch", shown.stdout)

    def test_code_is_off_unless_allowed(self):
        server = Server(self, f"--store={self.imported.store}")
        with self.assertRaises(grpc.RpcError) as caught:
            wire.service(wire.connect(self, server.address)).Classify(
                self.pb.ClassifyRequest(
                    model="digits",
                    images=wire.batch(self.images("digits").numpy())),
                timeout=wire.CALL_SECONDS)
        self.assertIn("--allow-code-models", caught.exception.details())


class ImportTest(unittest.TestCase):
    """What is refused, and why."""

    def setUp(self):
        self.imported = Imported(self)

    def refused(self, *arguments, **fields):
        done = self.imported.add(*arguments, **fields)
        self.assertNotEqual(0, done.returncode, done.stdout)
        self.assertFalse(os.path.exists(
            os.path.join(self.imported.store, "bad", "1")))
        return done.stderr

    def test_training_mode_is_refused_unless_accepted(self):
        # Scripted modules go to evaluation mode at load; what they call by
        # hand does not.
        class Dropping(nn.Module):

            def forward(self, x):
                return nn.functional.dropout(x.flatten(1)[:, :10], .5, True)

        class Mixing(nn.Module):

            def forward(self, x):
                x = x.flatten(1)[:, :10]
                return x - x.mean(0, keepdim=True)

        shape = (1, 28, 28)
        self.assertIn("random", self.refused(Dropping(), "bad", shape, 10))
        self.assertIn("beside it", self.refused(Mixing(), "bad", shape, 10))
        done = self.imported.add(Mixing(), "mixing", shape, 10,
                                 "--accept-unstable")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertFalse(
            self.imported.manifest("mixing")["exact_in_any_batch"])

    def test_what_does_not_fit_is_refused_with_the_reason(self):
        shape = (1, 28, 28)
        self.assertIn("[2, 10]", self.refused(made(Digits()), "bad", shape, 11))
        self.assertIn("does not run",
                      self.refused(made(Digits()), "bad", (3, 28, 28), 10))
        self.assertIn("3 channels", self.refused(
            made(Digits()), "bad", shape, 10, "--preprocess=order=bgr"))
        self.assertIn("--preprocess", self.refused(
            made(Digits()), "bad", shape, 10, "--preprocess=mean=x"))
        path = os.path.join(self.imported.folder, "bad.pt")
        with open(path, "wb") as file:
            file.write(b"no module")
        done = advctl("models", "import", path, "--shape=1x28x28",
                      f"--store={self.imported.store}",
                      f"--classes={self.imported.folder}/bad.txt")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("TorchScript", done.stderr)

    def test_a_version_holds_what_a_load_is_tested_by(self):
        done = self.imported.add(made(Digits()), "digits", (1, 28, 28), 10)
        self.assertEqual(0, done.returncode, done.stderr)
        manifest = self.imported.manifest("digits")
        self.assertEqual("torchscript", manifest["format"])
        self.assertEqual(40, len(manifest["golden"]["logits"]))
        self.assertEqual(["model.pt"], [f["name"] for f in manifest["files"]])
        # Another module in its place is noticed.
        path = os.path.join(self.imported.store, "digits", "1", "model.pt")
        with open(path, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
        started = subprocess.run(
            ["advserver", f"--store={self.imported.store}",
             "--allow-code-models", "--listen=127.0.0.1:0",
             "--state=:memory:", "--metrics-listen=off"],
            env=environment(), capture_output=True, text=True, timeout=120,
            check=False)
        self.assertEqual(1, started.returncode)
        self.assertIn("SHA-256", started.stderr)


if __name__ == "__main__":
    main()
