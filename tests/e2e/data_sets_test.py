"""Data sets of one's own: the same images in every format that there is give
the same numbers, several of them in one server."""

import csv
import io
import json
import os
import unittest

import numpy
from PIL import Image

import wire
from harness import (CLASSES, Server, advctl, main, needs_zoo, read_sample,
                     stubs, temporary_folder)

OF_EACH_CLASS = 4
VEHICLES = ("airplane", "automobile", "ship", "truck")
SUPERCLASSES = ["vehicles" if name in VEHICLES else "animals"
                for name in CLASSES]


def some_of_the_sample():
    """(labels, images), in the sample's order."""
    labels, images = read_sample()
    chosen = sorted(index for label in range(len(CLASSES))
                    for index in numpy.flatnonzero(labels == label)
                    [:OF_EACH_CLASS])
    return labels[chosen], images[chosen]


def write_lines(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def write_safetensors(path, images, labels):
    """As the library of that name does."""
    header, end = {}, 0
    for name, array, kind in (("images", images, "U8"),
                              ("labels", labels, "I64")):
        header[name] = {"dtype": kind, "shape": array.shape,
                        "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(images.tobytes() + labels.tobytes())


def write_records(path, *columns):
    """CIFAR's layout: labels of a byte, then the planes of the image."""
    with open(path, "wb") as file:
        for *labels, image in zip(*columns):
            file.write(bytes(int(label) for label in labels) + image.tobytes())


def write_images(folder, images, labels, suffix, **options):
    for index, (image, label) in enumerate(zip(images, labels)):
        place = os.path.join(folder, CLASSES[label])
        os.makedirs(place, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(
            os.path.join(place, f"{index:04}.{suffix}"), **options)


@needs_zoo
class DataSetsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.labels, cls.images = some_of_the_sample()

        class Scope:
            addCleanup = staticmethod(cls.addClassCleanup)

        cls.server = Server(Scope, *(f"--dataset={name}={path}" for name, path
                                     in cls.write_data(Scope).items()))

    @classmethod
    def write_data(cls, scope):
        """{name: path} of the images in every format."""
        images, labels = cls.images, cls.labels
        last = numpy.ascontiguousarray(images.transpose(0, 2, 3, 1))
        names = ("cifar10", "cifar100", "npy", "npz", "floats", "tensors",
                 "pngs", "jpegs")
        folders = {name: temporary_folder(scope) for name in names}
        paths = dict(folders)

        def path(name, file):
            return os.path.join(folders[name], file)

        for name in ("npy", "npz", "floats", "tensors"):
            write_lines(folders[name], "classes.txt", CLASSES)
        write_lines(folders["npz"], "superclasses.txt", SUPERCLASSES)
        write_lines(folders["pngs"], "superclasses.txt", SUPERCLASSES)

        paths["cifar10"] = path("cifar10", "data.bin")
        write_records(paths["cifar10"], labels, images)
        coarse = [sorted(set(SUPERCLASSES)).index(SUPERCLASSES[label])
                  for label in labels]
        write_records(path("cifar100", "test.bin"), coarse, labels, images)
        write_lines(folders["cifar100"], "fine_label_names.txt", CLASSES)
        write_lines(folders["cifar100"], "coarse_label_names.txt",
                    sorted(set(SUPERCLASSES)))
        numpy.save(path("npy", "images.npy"), images)
        numpy.save(path("npy", "labels.npy"), labels.astype("uint8"))
        paths["npz"] = path("npz", "data.npz")
        numpy.savez_compressed(paths["npz"], images=last,
                               labels=labels.astype("int32"))
        paths["floats"] = path("floats", "data.npz")
        numpy.savez(paths["floats"], labels=labels,
                    images=images.astype("float32") / numpy.float32(255))
        paths["tensors"] = path("tensors", "data.safetensors")
        write_safetensors(paths["tensors"], last, labels)
        write_images(folders["pngs"], images, labels, "png")
        write_images(folders["jpegs"], images, labels, "jpg", quality=100,
                     subsampling=0)
        return paths

    def setUp(self):
        self.channel = wire.connect(self, self.server.address)
        self.service = wire.service(self.channel)

    def evaluate(self, dataset):
        """(report, records) of all images."""
        spec = stubs.evaluation_pb2.EvaluationSpec(
            model="no-cat", dataset=dataset, epsilons=[wire.levels(2)],
            attacks=[wire.attack("fgsm")])
        evaluation, _, report = wire.evaluate(self.service, spec)
        pb = stubs.attack_evaluation_service_pb2
        records = self.service.ListEvaluationRecords(
            pb.ListEvaluationRecordsRequest(id=evaluation.id),
            timeout=wire.CALL_SECONDS).records
        self.assertEqual(len(self.labels), len(records), dataset)
        return report, records

    def digests(self):
        service = stubs.server_service_pb2_grpc.ServerServiceStub(self.channel)
        info = service.GetServerInfo(
            stubs.server_service_pb2.GetServerInfoRequest(),
            timeout=wire.CALL_SECONDS)
        return {one.name: one.sha256 for one in info.datasets}

    def test_arrays_and_records_are_the_same_in_any_format(self):
        digests = self.digests()
        report, _ = self.evaluate("cifar10")
        for name in ("cifar100", "npy", "npz", "tensors", "floats"):
            same, _ = self.evaluate(name)
            self.assertEqual(report.records_sha256, same.records_sha256, name)
            if name != "floats":  # whose values are other bytes
                self.assertEqual(digests["cifar10"], digests[name], name)
        self.assertNotEqual(digests["cifar10"], digests["floats"])

    def test_folders_of_images_hold_the_same_images(self):
        def verdicts(records):
            """Without the index: folders have the classes one by one."""
            return sorted((r.label, r.prediction, r.confidence,
                           r.attacks[0].prediction, r.attacks[0].confidence)
                          for r in records)

        _, expected = self.evaluate("cifar10")
        report, records = self.evaluate("pngs")
        self.assertEqual(CLASSES, list(report.class_names))
        self.assertEqual(verdicts(expected), verdicts(records))
        # JPEG loses something, and is decoded by somebody else.
        _, lossy = self.evaluate("jpegs")
        right = [sum(r.label == r.prediction for r in some)
                 for some in (expected, lossy)]
        self.assertAlmostEqual(right[0], right[1], delta=2)
        self.assertEqual([r.label for r in records],
                         [r.label for r in lossy])

    def test_superclasses_are_the_data_sets(self):
        expected = self.evaluate("cifar10")[0].results[0].kinds
        self.assertFalse(expected.without_superclasses)
        self.assertGreater(expected.co_natural, 0)
        for name in ("cifar100", "npz", "pngs"):
            kinds = self.evaluate(name)[0].results[0].kinds
            self.assertEqual(expected, kinds, name)
        for name in ("npy", "floats", "tensors", "jpegs"):
            kinds = self.evaluate(name)[0].results[0].kinds
            self.assertTrue(kinds.without_superclasses, name)
            self.assertEqual(0, kinds.co_natural, name)
            self.assertIn("these classes have none", kinds.rule, name)

    def test_people_and_programs_see_no_row_of_what_cannot_be(self):
        for name, has in (("npz", True), ("npy", False)):
            shown = self.advctl(name, "table")
            self.assertRegex(shown, r"re-focused \d+")
            (self.assertRegex if has else self.assertNotRegex)(
                shown, r"co-natural \d+")
            line = next(csv.DictReader(io.StringIO(self.advctl(name, "csv"))))
            self.assertEqual(has, line["co_natural"] != "", name)
            self.assertNotEqual("", line["refocused"])

    def advctl(self, dataset, output):
        done = advctl("evaluate", "--model=no-cat", f"--dataset={dataset}",
                      "--no-compare", "--attack=fgsm", "--epsilon=2/255",
                      f"--output={output}", server=self.server.address)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout


if __name__ == "__main__":
    main()
