"""Authorities and certificates for the tests, made by openssl."""

import os
import subprocess

# Of `openssl req`.
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **options).stdout.decode()


class Authority:
    """An authority of its own, in a folder of its own."""

    def __init__(self, folder, name, signer=None):
        """Signed by another authority, or by itself."""
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.key = self._path("ca.key")
        self.certificate = self._path("ca.pem")
        request = openssl(
            "req", "-new", *NEW_KEY, "-keyout", self.key, "-subj",
            f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=keyCertSign,cRLSign")
        by = (["-CA", signer.certificate, "-CAkey", signer.key,
               "-set_serial", "1"] if signer else ["-key", self.key])
        openssl("x509", "-req", *by, "-copy_extensions", "copyall", "-days",
                "30", "-out", self.certificate, input=request.encode())
        self._config = self._path("ca.cnf")
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(f"[ca]\ndefault_ca=this\n[this]\n"
                       f"database={self._path('index')}\ndefault_md=sha256\n"
                       f"certificate={self.certificate}\n"
                       f"private_key={self.key}\n")
        open(self._path("index"), "w", encoding="utf-8").close()

    def _path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, san, serial, *validity):
        """(certificate, key): paths. `validity`: of `openssl x509`."""
        key, certificate = self._path(f"{name}.key"), self._path(f"{name}.pem")
        request = openssl("req", "-new", *NEW_KEY, "-keyout", key, "-subj",
                          f"/CN={name}", "-addext", f"subjectAltName={san}")
        openssl("x509", "-req", "-CA", self.certificate, "-CAkey", self.key,
                "-set_serial", str(serial), "-copy_extensions", "copyall",
                "-out", certificate, *(validity or ("-days", "30")),
                input=request.encode())
        return certificate, key

    def revoke(self, *certificates):
        """The path of a list that names these."""
        for certificate in certificates:
            openssl("ca", "-config", self._config, "-revoke", certificate)
        path = self._path("crl.pem")
        openssl("ca", "-config", self._config, "-gencrl", "-crldays", "7",
                "-out", path)
        return path


def read(path):
    with open(path, "rb") as file:
        return file.read()
