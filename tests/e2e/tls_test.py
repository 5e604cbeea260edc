"""Which connections a server takes, and how certificates are exchanged."""

import collections
import concurrent.futures
import functools
import json
import os
import re
import socket
import ssl
import threading
import unittest
import urllib.request

import grpc

import certificates
from callers import DEADLINE, OK, ROLES, UNAUTHENTICATED, advserver, entry, \
    replace, server_info, wait_for
from harness import ModuleScope, Server, free_port, main, needs_programs, \
    needs_zoo, temporary_folder


# A channel does not share the connection of another one.
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


class Fixture:
    """One server with everything on, and files that tests exchange."""

    def __init__(self):
        folder = temporary_folder(ModuleScope)
        self.authority = certificates.Authority(folder, "ca")
        self.foreign = certificates.Authority(folder, "foreign")
        self.certificate, self.key, self.crl, self.identities = (
            os.path.join(folder, name) for name in
            ("server.pem", "server.key", "crl.pem", "identities.json"))
        self.set_server(self.issue_server(1))
        victim = self.issue("revoked-at-the-start", 2)
        replace(self.crl, certificates.read(self.authority.revoke(victim[0])))
        self.revoked = victim
        self.known = [entry(role, role, f"adv_{role}") for role in ROLES]
        self.known.append(entry("robot", "viewer",
                                certificate="spiffe://lab/robot"))
        self.set_identities(self.known)
        self.metrics_port = free_port()
        self.server = Server(
            ModuleScope, f"--tls-certificate={self.certificate}",
            f"--tls-key={self.key}", f"--tls-crl={self.crl}",
            f"--tls-client-ca={self.authority.certificate}",
            f"--identities={self.identities}",
            metrics=f"127.0.0.1:{self.metrics_port}")

    def issue(self, name, serial, *validity, authority=None):
        return (authority or self.authority).issue(
            name, "URI:spiffe://lab/robot", serial, *validity)

    def issue_server(self, serial):
        return self.authority.issue(
            f"server-{serial}", "DNS:localhost,IP:127.0.0.1", serial)

    def set_server(self, pair):
        for path, source in zip((self.certificate, self.key), pair):
            replace(path, certificates.read(source))

    def set_identities(self, entries):
        replace(self.identities, json.dumps(entries).encode())

    def channel(self, pair=None):
        return grpc.secure_channel(
            self.server.address, grpc.ssl_channel_credentials(
                certificates.read(self.authority.certificate),
                *([certificates.read(pair[1]), certificates.read(pair[0])]
                  if pair else [])), OWN_CONNECTION)

    def code(self, pair=None, token=None):
        with self.channel(pair) as channel:
            return server_info(channel, token)[0]

    def metric(self, name):
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.metrics_port}/metrics",
                timeout=DEADLINE) as reply:
            text = reply.read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])

    def shown_serial(self):
        host, port = self.server.address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port)), DEADLINE) as plain, \
                context.wrap_socket(plain, server_hostname=host) as secure:
            return int(secure.getpeercert()["serialNumber"], 16)


@functools.lru_cache(maxsize=None)
def fixture():
    return Fixture()


@needs_zoo
@needs_programs("openssl")
class TlsTest(unittest.TestCase):

    def test_certificates_are_let_in_or_turned_away(self):
        f = fixture()
        refused = grpc.StatusCode.UNAVAILABLE
        for name, expected, pair in (
                ("good", OK, f.issue("good", 11)),
                ("none", UNAUTHENTICATED, None),
                ("foreign", refused,
                 f.issue("foreign", 12, authority=f.foreign)),
                ("expired", refused, f.issue("expired", 13, "-days", "-1")),
                ("revoked", UNAUTHENTICATED, f.revoked),
                ("unnamed", UNAUTHENTICATED,
                 f.authority.issue("x", "URI:spiffe://lab/other", 14))):
            with self.subTest(certificate=name):
                self.assertEqual(expected, f.code(pair))
        # A token does not make up for a certificate that was revoked.
        self.assertEqual(UNAUTHENTICATED, f.code(f.revoked, "adv_admin"))
        self.assertEqual(OK, f.code(None, "adv_viewer"))

    def test_a_client_without_tls_gets_nothing(self):
        with grpc.insecure_channel(fixture().server.address) as channel:
            self.assertEqual(grpc.StatusCode.UNAVAILABLE,
                             server_info(channel, "adv_admin")[0])

    def test_a_certificate_that_is_revoked_loses_its_open_connection(self):
        f = fixture()
        pair = f.issue("robot", 15)
        with f.channel(pair) as channel:
            self.assertEqual(OK, server_info(channel)[0])
            replace(f.crl, certificates.read(f.authority.revoke(pair[0])))
            wait_for(lambda: server_info(channel)[0] == UNAUTHENTICATED)
            self.assertIn("certificate revoked",
                          server_info(channel)[1].details())

    def test_certificates_are_exchanged_under_load_without_an_error(self):
        f = fixture()
        pairs = [f.issue_server(serial) for serial in range(1000, 1020)]
        failures, calls = [], collections.Counter()
        stop = threading.Event()

        def call_on(kind, channel):
            code, error = server_info(channel, "adv_viewer")
            calls[kind] += 1
            if code != OK:
                failures.append(error)

        def on_one_connection():
            with f.channel() as channel:
                while not stop.is_set():
                    call_on("old", channel)

        def on_new_connections():
            while not stop.is_set():
                with f.channel() as channel:
                    call_on("new", channel)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = [pool.submit(each) for each in
                       (on_one_connection, on_new_connections)]
            try:
                for pair in pairs:
                    before = calls["new"]
                    f.set_server(pair)
                    wait_for(lambda: calls["new"] > before + 3)
                wait_for(lambda: f.shown_serial() == 1019)
            finally:
                stop.set()
            for each in running:
                each.result(DEADLINE)
        self.assertEqual([], failures)
        self.assertGreater(calls["old"], 20)

    def test_a_key_that_does_not_fit_keeps_the_old_pair(self):
        f = fixture()
        good = f.issue_server(2000)
        f.set_server(good)
        wait_for(lambda: f.shown_serial() == 2000)
        replace(f.key, certificates.read(f.issue_server(2001)[1]))
        wait_for(lambda: "event=tls_reload_failed" in f.server.log())
        self.assertIn("the key does not belong", f.server.log())
        self.assertEqual(0, f.metric("adv_tls_last_reload_successful"))
        self.assertEqual(OK, f.code(None, "adv_viewer"))
        self.assertEqual(2000, f.shown_serial())
        f.set_server(good)
        wait_for(lambda: f.metric("adv_tls_last_reload_successful") == 1)
        ends = certificates.openssl("x509", "-in", good[0], "-noout",
                                    "-enddate").split("=")[1]
        self.assertEqual(
            ssl.cert_time_to_seconds(ends.strip()),
            f.metric("adv_tls_certificate_not_after_seconds"))

    def test_identities_change_while_it_serves(self):
        f = fixture()
        self.addCleanup(f.set_identities, f.known)
        f.set_identities(f.known + [entry("late", "viewer", "adv_late")])
        wait_for(lambda: f.code(None, "adv_late") == OK)
        f.set_identities(f.known + [{"name": "late", "role": "root"}])
        failed = "adv_identities_last_reload_successful"
        wait_for(lambda: f.metric(failed) == 0)
        self.assertEqual(OK, f.code(None, "adv_late"))
        self.assertIn("[4].role must be viewer, evaluator or admin",
                      f.server.log())
        f.set_identities(f.known)
        wait_for(lambda: f.code(None, "adv_late") == UNAUTHENTICATED)
        self.assertEqual(1, f.metric(failed))
        self.assertEqual(4, f.metric("adv_identities"))


@needs_zoo
@needs_programs("openssl")
class ClientCertificatesTest(unittest.TestCase):

    def test_without_authorities_no_client_is_asked_for_one(self):
        folder = temporary_folder(self)
        authority = certificates.Authority(folder, "ca")
        foreign = certificates.Authority(folder, "foreign")
        certificate, key = authority.issue("server", "IP:127.0.0.1", 1)
        server = Server(self, f"--tls-certificate={certificate}",
                        f"--tls-key={key}")
        root = certificates.read(authority.certificate)
        leaf, leaf_key = foreign.issue("client", "DNS:client", 2)
        for shown in ((), (certificates.read(leaf_key),
                           certificates.read(leaf))):
            credentials = grpc.ssl_channel_credentials(root, *shown)
            with grpc.secure_channel(server.address, credentials,
                                     OWN_CONNECTION) as channel:
                self.assertEqual(OK, server_info(channel)[0])
        self.assertIn("method=GetServerInfo code=OK", server.log())
        self.assertIn("identity=anonymous", server.log())

    def test_only_clients_with_a_certificate_get_in(self):
        folder = temporary_folder(self)
        authority = certificates.Authority(folder, "ca")
        below = certificates.Authority(folder, "below", signer=authority)
        certificate, key = authority.issue("server", "IP:127.0.0.1", 1)
        leaf, leaf_key = below.issue("client", "DNS:client", 2)
        server = Server(self, f"--tls-certificate={certificate}",
                        f"--tls-key={key}",
                        f"--tls-client-ca={authority.certificate}",
                        "--tls-require-client-certificate")
        root = certificates.read(authority.certificate)
        chain = certificates.read(leaf) + certificates.read(below.certificate)
        for expected, shown in (
                (grpc.StatusCode.UNAVAILABLE, ()),
                # Without what leads to the authority it is nobody's.
                (grpc.StatusCode.UNAVAILABLE,
                 (certificates.read(leaf_key), certificates.read(leaf))),
                (OK, (certificates.read(leaf_key), chain))):
            credentials = grpc.ssl_channel_credentials(root, *shown)
            with grpc.secure_channel(server.address, credentials,
                                     OWN_CONNECTION) as channel:
                self.assertEqual(expected, server_info(channel)[0])


@needs_programs("openssl")
class FilesTest(unittest.TestCase):

    def test_files_that_do_not_fit_end_the_start(self):
        folder = temporary_folder(self)
        authority = certificates.Authority(folder, "ca")
        pair = authority.issue("server", "DNS:localhost", 1)
        old = authority.issue("old", "DNS:localhost", 2, "-days", "-1")
        with_pair = [f"--tls-certificate={pair[0]}", f"--tls-key={pair[1]}"]
        for flags, message in (
                ([f"--tls-key={pair[1]}"],
                 "--tls-key needs --tls-certificate"),
                (["--tls-certificate=/missing", f"--tls-key={pair[1]}"],
                 "--tls-certificate: /missing"),
                ([f"--tls-certificate={pair[0]}", f"--tls-key={old[1]}"],
                 "the key does not belong to the certificate"),
                ([f"--tls-certificate={old[0]}", f"--tls-key={old[1]}"],
                 "the certificate expired on"),
                ([*with_pair, f"--tls-client-ca={pair[1]}"],
                 "--tls-client-ca: the file holds no PEM certificate"),
                ([*with_pair, f"--tls-client-ca={authority.certificate}",
                  f"--tls-crl={pair[0]}"],
                 "--tls-crl: the file holds no PEM revocation list"),
                (["--identities=/missing"], "--identities: /missing"),
                (["--audit-log=/missing/a"], "--audit-log: /missing/a")):
            with self.subTest(flags=flags):
                done = advserver("--listen=127.0.0.1:0",
                                 "--metrics-listen=off", "--state=:memory:",
                                 *flags)
                self.assertEqual(1, done.returncode)
                self.assertIn(message, done.stderr)


if __name__ == "__main__":
    main()
