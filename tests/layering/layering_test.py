"""The tree keeps its layers, and the check would notice if it did not."""

import os
import sys
import tempfile
import unittest

import layering

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


class TreeTest(unittest.TestCase):

    def test_no_include_goes_against_the_layers(self):
        self.assertEqual([], layering.violations(ROOT))

    def test_no_parts_include_each_other_in_a_circle(self):
        self.assertEqual([], layering.circles(layering.includes(ROOT)))

    def test_every_room_is_looked_at(self):
        rooms = {path.split("/")[0] for path in layering.source_files(ROOT)}
        self.assertLessEqual({"net", "image_file", "engine", "model_store",
                              "server", "client"}, rooms)


class SelfTest(unittest.TestCase):
    """A forbidden include of each kind is caught, an allowed one is not."""

    FORBIDDEN = [
        ("net/address.cc", "server/options.h"),
        ("engine/nn/vgg.h", "net/address.h"),
        ("image_file/decode.cc", "engine/data/dataset.h"),
        ("model_store/publish.cc", "net/address.h"),
        ("engine/nn/vgg.h", "adv/v1/model.pb.h"),
        ("engine/nn/vgg.h", "google/protobuf/message.h"),
        ("engine/nn/vgg.cc", "grpcpp/grpcpp.h"),
        ("engine/attacks/fgsm.cc", "server/codec/codec.h"),
        ("engine/attacks/fgsm.cc", "client/image.h"),
        ("engine/data/cifar10.cc", "model_store/model_store.h"),
        ("engine/data/cifar10.cc", "prometheus/counter.h"),
        ("engine/data/cifar10.cc", "CLI/CLI.hpp"),
        ("engine/data/cifar10.cc", "tests/engine/toy_network.h"),
        ("engine/data/cifar10.cc", "command_line/list.h"),
        ("command_line/list.cc", "client/attacks/epsilon.h"),
        ("command_line/list.cc", "adv/v1/model.pb.h"),
        ("model_store/publish.cc", "command_line/list.h"),
        ("model_store/publish.cc", "torch/torch.h"),
        ("model_store/publish.cc", "ATen/core/Tensor.h"),
        ("model_store/publish.cc", "c10/util/Exception.h"),
        ("model_store/publish.cc", "engine/nn/network.h"),
        ("model_store/publish.cc", "grpcpp/support/status.h"),
        ("model_store/publish.cc", "adv/v1/model_service.grpc.pb.h"),
        ("model_store/publish.cc", "image_file/decode.h"),
        ("model_store/publish.cc", "CLI/App.hpp"),
        ("model_store/publish.cc", "prometheus/counter.h"),
        ("model_store/trainer/main.cc", "server/registry.h"),
        ("model_store/trainer/main.cc", "grpcpp/grpcpp.h"),
        ("client/evaluate.cc", "ATen/ATen.h"),
        ("client/evaluate.cc", "engine/attacks/attack.h"),
        ("client/evaluate.cc", "engine/attacks/attack_config.hpp"),
        ("client/evaluate.cc", "engine/nn/parameter.h"),
        ("engine/attacks/attack_config.h", "ATen/core/Tensor.h"),
        ("engine/attacks/parameter.cc", "torch/types.h"),
        ("engine/attacks/norm.h", "ATen/core/Tensor.h"),
        ("engine/nn/access.h", "ATen/core/Tensor.h"),
        ("client/evaluate.cc", "model_store/model_store.h"),
        ("client/evaluate.cc", "server/codec/codec.h"),
        ("server/main.cc", "client/evaluate.h"),
        ("server/codec/codec_images.cc", "image_file/decode.h"),
        ("tests/engine/nn/vgg_test.cc", "model_store/model_store.h"),
        ("tests/client/table_test.cc", "engine/nn/network.h"),
    ]
    ALLOWED = [
        ("engine/nn/vgg.cc", "torch/nn.h"),
        ("engine/nn/vgg.cc", "absl/status/status.h"),
        ("engine/data/image_folder.cc", "image_file/decode.h"),
        ("client/images/image_file.cc", "image_file/decode.h"),
        ("model_store/publish.cc", "adv/v1/model.pb.h"),
        ("model_store/trainer/main.cc", "engine/training/trainer.h"),
        ("model_store/trainer/main.cc", "CLI/CLI.hpp"),
        ("model_store/trainer/metrics.cc", "prometheus/exposer.h"),
        ("command_line/list.h", "CLI/App.hpp"),
        ("model_store/trainer/options.cc", "command_line/list.h"),
        ("client/evaluate.cc", "command_line/list.h"),
        ("client/evaluate.cc", "engine/attacks/attack_config.h"),
        ("client/evaluate.cc", "engine/attacks/attack_traits.h"),
        ("client/evaluate.cc", "engine/attacks/parameter.h"),
        ("client/evaluate.cc", "adv/v1/attack_evaluation_service.grpc.pb.h"),
        ("server/server.cc", "net/page_server.h"),
        ("client/session/channel.cc", "net/address.h"),
        ("server/registry.cc", "engine/nn/vgg.h"),
        ("server/registry.cc", "model_store/model_store.h"),
        ("tests/engine/nn/vgg_test.cc", "tests/engine/toy_network.h"),
    ]

    def test_forbidden_includes_are_caught_in_either_spelling(self):
        for path, header in self.FORBIDDEN:
            for line in (f'#include "{header}"', f"  # include <{header}>"):
                with self.subTest(path=path, line=line):
                    found = layering.violations_in(path, "\n" + line + "\n")
                    self.assertEqual(1, len(found), found)
                    self.assertIn(f"{path}:2: includes {header}", found[0])

    def test_allowed_includes_pass(self):
        for path, header in self.ALLOWED:
            with self.subTest(path=path, header=header):
                self.assertEqual([], layering.violations_in(
                    path, f'#include "{header}"\n'))

    def test_a_circle_is_caught_with_all_that_is_in_it(self):
        graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set(),
                 "e": {"a"}, "f": {"g"}, "g": {"f"}}
        self.assertEqual([("a", "b", "c"), ("f", "g")],
                         layering.circles(graph))
        self.assertEqual([], layering.circles({"a": {"b"}, "b": set()}))

    def test_a_header_and_its_source_are_one_part(self):
        with tempfile.TemporaryDirectory() as root:
            for path, include in (("engine/a.h", "engine/b.h"),
                                  ("engine/b.h", "absl/b.h"),
                                  ("engine/b.cc", "engine/a.h")):
                os.makedirs(os.path.join(root, "engine"), exist_ok=True)
                with open(os.path.join(root, path), "w",
                          encoding="utf-8") as file:
                    file.write(f'#include "{include}"\n')
            self.assertEqual([("engine/a", "engine/b")],
                             layering.circles(layering.includes(root)))

    def test_includes_in_comments_are_no_includes(self):
        self.assertEqual([], layering.violations_in(
            "engine/nn/vgg.h", '// #include "server/codec/codec.h"\n'))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
