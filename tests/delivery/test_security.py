"""Encryption that is verified, names and passwords that are checked, and secrets that never reach a log."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from delivery_scene import Node, eventually, quick_config

from edge.delivery.brokers import Mosquitto, mosquitto_path

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto"),
]


class Authority:
    """A certificate authority that lives as long as a test."""

    def __init__(self, folder, name="authority") -> None:
        """Make its key and certificate."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._write(name, self._sign(self._subject, self._key, ca=True))

    def issue(self, name, address=None):
        """Issue a certificate; return the paths of certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name, self._sign(subject, key, address=address)), self._write_key(name, key)

    def _sign(self, subject, key, *, address=None, ca=False):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name, certificate):
        path = self._folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def _write_key(self, name, key):
        path = self._folder / f"{name}.key"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(path)


@pytest.fixture
def authority(tmp_path):
    """Give a certificate authority."""
    return Authority(tmp_path)


def tls_broker(folder, authority, address="127.0.0.1"):
    """Make a mosquitto that asks for certificates and takes the common name for the user, as in production."""
    certificate, key = authority.issue("broker", address)
    (folder / "acl").write_text("pattern write edge/v1/%u/#\n")
    return Mosquitto(
        folder,
        settings=(
            f"cafile {authority.certificate}",
            f"certfile {certificate}",
            f"keyfile {key}",
            "require_certificate true",
            "use_identity_as_username true",
            f"acl_file {folder}/acl",
        ),
    )


def tls_settings(authority, certificate, key):
    """Give the settings of a node with a certificate."""
    return {
        "tls": True,
        "tls_ca_file": authority.certificate,
        "tls_cert_file": certificate,
        "tls_key_file": key,
        "connect_timeout_s": 5.0,
    }


def test_node_with_a_certificate_writes_its_own_tree_only(tmp_path, start_node, authority):
    """Mutual TLS, common name = node id: the node's own topics are taken, a stolen name's are not."""
    with tls_broker(tmp_path, authority) as broker:
        good = tls_settings(authority, *authority.issue("node-7"))
        node = start_node(quick_config(tmp_path, broker.port, **good))
        assert eventually(lambda: node.courier.connected)
        node.raise_alert()
        assert eventually(lambda: "nobody is subscribed" in (node.courier.fault or ""))
        (tmp_path / "thief").mkdir()
        stolen = tls_settings(authority, *authority.issue("node-8"))
        thief = start_node(quick_config(tmp_path / "thief", broker.port, **stolen))
        thief.raise_alert()
        assert eventually(lambda: "does not let this node write edge/v1/node-7/" in (thief.courier.fault or ""))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("another authority", "delivery.tls_ca_file"),
        ("another address", "delivery.host"),
        ("no certificate", "delivery.tls_cert_file"),
        ("no tls", "delivery.tls"),
        ("tls to a plain port", "delivery.tls"),
    ],
)
def test_connection_that_cannot_be_trusted_is_not_made(tmp_path, start_node, authority, wrong, named):
    """Every way to get TLS wrong is a fault that names a setting, and nothing is sent."""
    address = "127.0.0.9" if wrong == "another address" else "127.0.0.1"
    settings = tls_settings(authority, *authority.issue("node-7"))
    if wrong == "another authority":
        settings["tls_ca_file"] = Authority(tmp_path, "stranger").certificate
    elif wrong == "no certificate":
        settings["tls_cert_file"] = settings["tls_key_file"] = None
    elif wrong == "no tls":
        settings = {}
    broker = Mosquitto(tmp_path) if wrong == "tls to a plain port" else tls_broker(tmp_path, authority, address)
    with broker:
        node = start_node(quick_config(tmp_path, broker.port, **{**settings, "connect_timeout_s": 1.0}))
        node.raise_alert()
        assert eventually(lambda: named in (node.courier.fault or "")), node.courier.fault
        assert node.outbox.depth().waiting == 1
        assert "delivery_sent" not in node.metrics.snapshot().counters


def test_broker_is_taken_unverified_only_where_the_configuration_says_so_in_writing(
    tmp_path, start_node, authority, caplog
):
    """With ``tls_verify = false`` a broker of an unknown authority is believed, and the log says so once."""
    stranger = {"tls": True, "tls_ca_file": None, "tls_verify": False}
    certificate, key = authority.issue("broker", "127.0.0.1")
    settings = (f"certfile {certificate}", f"keyfile {key}", "allow_anonymous true")
    with Mosquitto(tmp_path, settings=settings) as broker:
        node = start_node(quick_config(tmp_path, broker.port, **stranger))
        assert eventually(lambda: node.courier.connected), node.courier.fault
    told = [record.edge_fields.get("setting") for record in caplog.records if record.levelname == "WARNING"]
    assert told.count("delivery.tls_verify = false") == 1


def test_password_comes_from_its_file_and_stays_out_of_the_log(tmp_path, caplog):
    """The right password is let in, a wrong one is refused with the setting's name, and neither is ever logged."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("needs mosquitto_passwd")
    subprocess.run(["mosquitto_passwd", "-b", "-c", tmp_path / "users", "node-7", "sesame"], check=True)
    caplog.set_level("DEBUG", "edge")
    rules = ("allow_anonymous false", f"password_file {tmp_path}/users")
    with Mosquitto(tmp_path, settings=rules) as broker:
        (tmp_path / "password").write_text("open barley\n")
        how = {"username": "node-7", "password_file": str(tmp_path / "password")}
        node = Node(quick_config(tmp_path, broker.port, **how))
        assert eventually(lambda: "delivery.password_file" in (node.courier.fault or ""))
        (tmp_path / "password").write_text("sesame\nsecond line\n")
        assert eventually(lambda: node.courier.connected)
        node.end()
    logged = str([(record.getMessage(), record.edge_fields) for record in caplog.records])
    assert "connected" in logged
    assert "barley" not in logged
    assert "sesame" not in logged
