"""What a compressed request may cost the server."""

import re
import unittest

import grpc

import wire
from harness import Server, main, needs_zoo, read_sample, stubs

DEADLINE = 300
ZEROS = 512 * 2**20
ROOM = 128 * 2**20  # 16 MiB of message, as often as it may be copied


def peak(server):
    """The most memory that a server has had so far, in bytes."""
    with open(f"/proc/{server.process.pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) * 1024


@needs_zoo
class CompressionTest(unittest.TestCase):

    def test_a_small_message_of_many_zeros_stays_small(self):
        server = Server(self)
        pb = stubs.attack_evaluation_service_pb2
        channel = wire.connect(self, server.address)
        _, images = read_sample()
        good = pb.ClassifyRequest(model="balanced",
                                  images=wire.batch(images[:1000]))
        service = wire.service(channel)
        plain = service.Classify(good, timeout=DEADLINE)
        self.assertEqual(plain, service.Classify(
            good, timeout=DEADLINE, compression=grpc.Compression.Gzip))

        before = peak(server)
        bomb = stubs.image_pb2.ImageBatch(data=bytes(ZEROS))
        bomb = pb.ClassifyRequest(model="balanced", images=bomb)
        with self.assertRaises(grpc.RpcError) as caught:
            service.Classify(bomb, timeout=DEADLINE,
                             compression=grpc.Compression.Gzip)
        self.assertEqual(grpc.StatusCode.RESOURCE_EXHAUSTED,
                         caught.exception.code())
        self.assertIn("when inflated", caught.exception.details())
        self.assertLess(peak(server) - before, ROOM)


if __name__ == "__main__":
    main()
