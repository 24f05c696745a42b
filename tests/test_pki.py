"""The certificates of one installation: made, renewed, revoked, and never spilled."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from test_cli import typed

from edge.errors import ConfigError
from edge.pki import Authority
from edge.pki.certificate import expires

NOW = datetime(2026, 2, 3, 5, 0, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path):
    """Give a fresh authority."""
    made = Authority(tmp_path / "pki", now=NOW)
    made.create("edge")
    return made


def certificate(folder, stem="client"):
    """Read a certificate that was given out."""
    return x509.load_pem_x509_certificate((folder / f"{stem}.crt").read_bytes())


def serials(folder):
    """Read the serial numbers of a revocation list."""
    crl = x509.load_pem_x509_crl((folder / "revoked.crl").read_bytes())
    return {entry.serial_number for entry in crl}


def test_every_key_is_readable_by_its_owner_only(authority):
    """Also the list, which tells who is there; folders are closed, certificates are public."""
    node, broker = authority.issue("node", "node-7"), authority.issue("broker", "broker", ["10.0.0.5"])
    for secret in (
        authority.folder / "ca.key",
        authority.folder / "index.json",
        node / "client.key",
        broker / "server.key",
    ):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret
    for folder in (authority.folder, node, broker):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert not list(authority.folder.rglob("*.new"))


def test_broker_is_known_by_every_address_it_was_given_and_cannot_be_a_client(authority):
    """Names and addresses become what a client checks; the key usage is that of a server."""
    made = certificate(authority.issue("broker", "broker", ["10.0.0.5", "fe80::1", "broker.example"]), "server")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "fe80::1"]
    assert names.get_values_for_type(x509.DNSName) == ["broker.example"]
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_certificate_is_signed_by_the_root_and_ends_no_later_than_it(authority):
    """Lifetime is the asked one, cut at the root's; a box whose clock is a little behind takes it already."""
    root = x509.load_pem_x509_certificate(authority.root_file.read_bytes())
    short, long = (
        certificate(authority.issue("node", "a", days=30)),
        certificate(authority.issue("node", "b", days=7300)),
    )
    for made in (short, long):
        made.verify_directly_issued_by(root)
        assert made.not_valid_before_utc == NOW - timedelta(days=1)
    assert short.not_valid_after_utc == NOW + timedelta(days=30)
    assert long.not_valid_after_utc == root.not_valid_after_utc
    assert expires(authority.folder / "a" / "client.crt") == NOW + timedelta(days=30)


@pytest.mark.parametrize(
    ("role", "name", "hosts", "complaint"),
    [
        ("node", "node-7", (), "has a certificate already"),
        ("station", "node-7", (), "is or was a node"),
        ("node", "station", (), "is the name of a station"),
        ("node", "broker", (), "is the name of a broker"),
        ("node", "Node_7", (), "cannot be a name"),
        ("node", "../etc", (), "cannot be a name"),
        ("node", "#", (), "cannot be a name"),
        ("node", "+", (), "cannot be a name"),
        ("broker", "b", (), "needs --host"),
        ("broker", "b", ("http://x/",), "neither an address nor a host name"),
    ],
)
def test_name_that_would_take_anothers_rights_is_refused(authority, role, name, hosts, complaint):
    """A name is given once and for one role, and fits into a topic."""
    authority.issue("node", "node-7")
    before = authority.entries()
    with pytest.raises(ConfigError, match=complaint):
        authority.issue(role, name, hosts)
    assert authority.entries() == before


def test_nothing_is_overwritten_without_force(authority):
    """An authority and a name stay as they are until somebody insists; then the old certificate is revoked."""
    root = authority.root_file.read_bytes()
    with pytest.raises(ConfigError, match="holds an authority already"):
        authority.create("other")
    assert authority.root_file.read_bytes() == root
    old = certificate(authority.issue("node", "node-7"))
    new = certificate(authority.issue("node", "node-7", force=True))
    assert serials(authority.folder) == {old.serial_number}
    assert new.serial_number != old.serial_number


def test_renewed_certificate_has_a_new_key_and_the_same_names(authority):
    """Renewing leaves the old one valid, so that the box goes on until the new one is there."""
    old = certificate(authority.issue("broker", "broker", ["10.0.0.5"]), "server")
    new = certificate(authority.renew("broker"), "server")
    assert new.public_key() != old.public_key()
    extension = x509.SubjectAlternativeName
    assert new.extensions.get_extension_for_class(extension) == old.extensions.get_extension_for_class(extension)
    assert not serials(authority.folder)


def test_revoked_name_is_on_every_brokers_list_until_the_root_ends(authority):
    """All certificates of the name are shut out; the list never runs out before the root, which would lock all out."""
    broker = authority.issue("broker", "broker", ["10.0.0.5"])
    first, second = certificate(authority.issue("node", "node-7")), certificate(authority.renew("node-7"))
    assert authority.revoke("node-7") == 2
    assert serials(broker) == serials(authority.folder) == {first.serial_number, second.serial_number}
    crl = x509.load_pem_x509_crl((broker / "revoked.crl").read_bytes())
    root = x509.load_pem_x509_certificate(authority.root_file.read_bytes())
    assert crl.is_signature_valid(root.public_key())
    assert crl.next_update_utc == root.not_valid_after_utc
    for again in (authority.renew, authority.revoke):
        with pytest.raises(ConfigError, match="not revoked"):
            again("node-7")


def test_root_with_a_passphrase_signs_only_for_who_knows_it(tmp_path):
    """Without or with a wrong passphrase nothing is given out, and the error does not repeat it."""
    Authority(tmp_path, now=NOW, passphrase=b"sesame").create("edge")
    assert b"ENCRYPTED" in (tmp_path / "ca.key").read_bytes()
    Authority(tmp_path, now=NOW, passphrase=b"sesame").issue("node", "node-7")
    for wrong in (None, b"barley"):
        with pytest.raises(ConfigError, match="--passphrase-file") as told:
            Authority(tmp_path, now=NOW, passphrase=wrong).issue("node", "node-8")
        assert "barley" not in str(told.value)
    assert [entry.name for entry in Authority(tmp_path, now=NOW).entries()] == ["node-7"]


@pytest.mark.parametrize("damage", ["", "{", "[1]", '[{"name": "x"}]', '{"a": 1}'])
def test_damaged_list_is_refused_in_words(authority, damage):
    """A list that cannot be read is never taken for an empty one: revoked nodes would come back."""
    authority.issue("node", "node-7")
    (authority.folder / "index.json").write_text(damage)
    with pytest.raises(ConfigError, match=r"index\.json: cannot be read"):
        authority.issue("node", "node-8")


def test_commands_make_what_a_site_needs(tmp_path):
    """As typed: root, broker, node; the output says where each folder goes, and the list tells days left."""
    steps = ("init", "issue broker broker --host 10.0.0.5", "issue node node-7 --days 100")
    said = "".join(typed("pki", *step.split(), cwd=tmp_path).stdout for step in steps)
    assert 'tls_cert_file = "/etc/edge/pki/client.crt"' in said
    listed = json.loads(typed("pki", "list", "--json", cwd=tmp_path).stdout)
    assert [(entry["name"], entry["role"]) for entry in listed] == [("broker", "broker"), ("node-7", "node")]
    assert listed[1]["days_left"] in (99, 100)
    refused = typed("pki", "issue", "node", "node-7", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert "PRIVATE" not in said + refused.stderr
