"""What becomes of the port when connections use up what the server has."""

import resource
import socket
import time
import unittest
import urllib.error
import urllib.request

import grpc

import wire
from harness import Server, free_port, main, needs_zoo, read_sample, stubs, \
    temporary_folder

FILES = 200
DEADLINE = 120


def ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz",
                                    timeout=DEADLINE) as reply:
            return reply.status == 200
    except urllib.error.HTTPError as error:
        return error.code == 200


def wait_for(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not in time")
        time.sleep(.02)


def classify(address):
    """One call on a connection of its own."""
    _, images = read_sample()
    request = stubs.attack_evaluation_service_pb2.ClassifyRequest(
        model="balanced", images=wire.batch(images[:1]))
    with grpc.insecure_channel(address) as channel:
        return wire.service(channel).Classify(request, timeout=DEADLINE,
                                              wait_for_ready=True)


@needs_zoo
class ConnectionsTest(unittest.TestCase):

    def limited_server(self, metrics, *flags):
        return Server(self, *flags, metrics=metrics, limit=(
            resource.RLIMIT_NOFILE, (FILES // 2, FILES)))

    def idle(self, address, count):
        host, port = address.rsplit(":", 1)
        return [socket.create_connection((host, int(port)), DEADLINE)
                for _ in range(count)]

    def test_the_port_accepts_again_once_descriptors_are_free(self):
        port = free_port()
        server = self.limited_server(f"127.0.0.1:{port}")
        self.assertIn(f"event=open_files limit={FILES}", server.log())
        wait_for(lambda: ready(port))
        connections = self.idle(server.address, FILES * 6 // 5)
        wait_for(lambda: not ready(port))
        for connection in connections:
            connection.close()
        self.assertEqual(1, len(classify(server.address).results))
        wait_for(lambda: ready(port))

    def test_connections_that_say_nothing_do_not_keep_their_places(self):
        server = self.limited_server("off")
        connections = self.idle(server.address, FILES * 6 // 5)
        # Nobody closes them here; the call waits for its place.
        self.assertEqual(1, len(classify(server.address).results))
        for connection in connections:
            connection.close()


@needs_zoo
class UnixSocketTest(unittest.TestCase):

    def test_a_unix_socket_serves_one_server_alone(self):
        address = f"unix:{temporary_folder(self)}/socket"
        server = Server(self, listen=address)
        with self.assertRaisesRegex(AssertionError,
                                    "another program listens there"):
            Server(self, listen=address)
        self.assertEqual(1, len(classify(server.address).results))
        server.kill()
        again = Server(self, listen=address)
        self.assertEqual(1, len(classify(again.address).results))
        again.terminate()
        self.assertEqual(0, again.wait())


if __name__ == "__main__":
    main()
