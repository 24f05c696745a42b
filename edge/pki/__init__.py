"""A small certificate authority for one installation: a root, and certificates for brokers, stations and nodes.

The broker takes the common name of a client's certificate for its user name and its access rules from that, so a name
is given once, whatever its role: a node that could call itself ``station`` would read everything. What somebody has to
copy to another machine lies in one folder of its own, with the same file names on every machine. The revocation list
lives as long as the root: a list that runs out locks every node out, and nobody is there to renew it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.errors import ConfigError
from edge.pki.certificate import general_name, key_bytes, key_usage, named, unsigned
from edge.pki.files import write, write_secret

Role = Literal["broker", "station", "node"]

ROOT_DAYS = 20 * 365
LIFETIME_DAYS: Mapping[Role, int] = {"broker": 3 * 365, "station": 3 * 365, "node": 3 * 365}
RESERVED: Mapping[str, Role] = {"station": "station", "broker": "broker"}
"""Names that only one role may carry: the shipped access rules give ``station`` every alert."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_BACKDATED = timedelta(days=1)  # a box without a battery clock starts a little in the past
_USAGE = {
    "broker": ExtendedKeyUsageOID.SERVER_AUTH,
    "station": ExtendedKeyUsageOID.CLIENT_AUTH,
    "node": ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate that was given out: a line of ``index.json``; times are ISO 8601 in UTC."""

    name: str
    role: Role
    hosts: tuple[str, ...]
    serial: str
    not_after: str
    revoked_at: str | None = None

    def days_left(self, now: datetime) -> int:
        """Whole days until it runs out; negative when it has."""
        return (datetime.fromisoformat(self.not_after) - now).days


class Authority:
    """The authority in one folder: ``ca.crt``, ``ca.key``, ``revoked.crl``, ``index.json``, and a folder per name."""

    def __init__(self, folder: Path, *, now: datetime, passphrase: bytes | None = None) -> None:
        """Look at ``folder``; nothing is read or made yet.

        Args:
            folder: where the authority lives; keep it off every other machine.
            now: the time, for validity and revocation.
            passphrase: of the root's key, where it has one.
        """
        self.folder = folder
        self._now = now.astimezone(UTC).replace(microsecond=0)
        self._passphrase = passphrase

    @property
    def root_file(self) -> Path:
        """The root certificate, which every machine trusts."""
        return self.folder / "ca.crt"

    def create(self, name: str, *, days: int = ROOT_DAYS, force: bool = False) -> None:
        """Make the root and an empty revocation list.

        Raises:
            ConfigError: there is one already and ``force`` is not given.
        """
        if self._key_file.exists() and not force:
            raise ConfigError(f"{self.folder}: holds an authority already; --force makes every certificate of it void")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = named(name)
        builder = self._unsigned(subject, subject, key, self._now + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(key_usage(signs_certificates=True), critical=True)
        write_secret(self._key_file, key_bytes(key, self._passphrase))
        write(self.root_file, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        self._keep([])

    def issue(
        self, role: Role, name: str, hosts: Sequence[str] = (), *, days: int | None = None, force: bool = False
    ) -> Path:
        """Give out a certificate and return the folder to copy to that machine.

        Args:
            role: what it may be used for.
            name: its common name; of a node ``node.id``, of a station ``name``.
            hosts: host names and addresses under which a broker is reached.
            days: lifetime; default ``LIFETIME_DAYS``.
            force: replace, and so revoke, what this name has.

        Raises:
            ConfigError: no authority here, a name that is taken or unfit, a broker without ``hosts``.
        """
        entries = self.entries()
        self._check_name(role, name, hosts)
        alive = [entry for entry in entries if entry.name == name and entry.revoked_at is None]
        if alive and not force:
            raise ConfigError(
                f"'{name}' has a certificate already, as {alive[0].role}; renew it (edge pki renew {name}), or "
                "use --force, which revokes the old one"
            )
        return self._give(role, name, tuple(hosts), days or LIFETIME_DAYS[role], revoking=alive)

    def renew(self, name: str, *, days: int | None = None, revoke_old: bool = False) -> Path:
        """Give ``name`` a new key and certificate like the one it has; the old one stays valid until it runs out.

        Raises:
            ConfigError: the name has none, or was revoked.
        """
        latest = self._latest(name)
        lifetime = days or LIFETIME_DAYS[latest.role]
        return self._give(latest.role, name, latest.hosts, lifetime, revoking=[latest] if revoke_old else [])

    def revoke(self, name: str) -> int:
        """Put every living certificate of ``name`` on the revocation list; return how many.

        Raises:
            ConfigError: the name has none.
        """
        self._latest(name)
        entries = self.entries()
        living = [entry for entry in entries if entry.name == name and entry.revoked_at is None]
        self._keep([self._revoked(entry) if entry in living else entry for entry in entries])
        return len(living)

    def entries(self) -> list[Issued]:
        """List what was given out, oldest first.

        Raises:
            ConfigError: there is no authority in this folder, or its list is damaged.
        """
        if not self._key_file.exists():
            raise ConfigError(f"{self.folder}: no authority here; make one with: edge pki init --dir {self.folder}")
        try:
            lines = json.loads(self._index_file.read_text(encoding="utf-8"))
            return [Issued(**{**line, "hosts": tuple(line["hosts"])}) for line in lines]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{self._index_file}: cannot be read ({error}); restore it from a copy") from error

    @property
    def _key_file(self) -> Path:
        return self.folder / "ca.key"

    @property
    def _index_file(self) -> Path:
        return self.folder / "index.json"

    def _latest(self, name: str) -> Issued:
        of_name = [entry for entry in self.entries() if entry.name == name]
        if not of_name or of_name[-1].revoked_at is not None:
            known = sorted({entry.name for entry in self.entries() if entry.revoked_at is None})
            raise ConfigError(f"'{name}' has no certificate that is not revoked; known: {', '.join(known) or 'none'}")
        return of_name[-1]

    def _check_name(self, role: Role, name: str, hosts: Sequence[str]) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"'{name}' cannot be a name here: 1 to 64 of a-z, 0-9 and '-', as in node.id")
        if RESERVED.get(name, role) != role:
            raise ConfigError(
                f"'{name}' is the name of a {RESERVED[name]} in the access rules; a {role} cannot have it"
            )
        others = {entry.role for entry in self.entries() if entry.name == name} - {role}
        if others:
            raise ConfigError(f"'{name}' is or was a {others.pop()}; one name, one role: choose another name")
        if role == "broker" and not hosts:
            raise ConfigError("a broker needs --host: every name and address under which nodes and stations reach it")

    def _give(self, role: Role, name: str, hosts: tuple[str, ...], days: int, *, revoking: Sequence[Issued]) -> Path:
        authority_key, root = self._load_root()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = named(name)
        builder = self._unsigned(
            subject, root.subject, key, min(self._now + timedelta(days=days), root.not_valid_after_utc)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGE[role]]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        folder = self.folder / name
        folder.mkdir(exist_ok=True, mode=0o700)
        stem = "server" if role == "broker" else "client"
        # the list first: a certificate that nobody knows of could not be revoked
        entry = Issued(name, role, hosts, f"{certificate.serial_number:x}", certificate.not_valid_after_utc.isoformat())
        kept = [self._revoked(old) if old in revoking else old for old in self.entries()]
        self._keep([*kept, entry])
        write_secret(folder / f"{stem}.key", key_bytes(key, None))
        write(folder / f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        write(folder / "ca.crt", root.public_bytes(serialization.Encoding.PEM))
        if role == "broker":
            write(folder / "revoked.crl", (self.folder / "revoked.crl").read_bytes())
        return folder

    def _revoked(self, entry: Issued) -> Issued:
        return replace(entry, revoked_at=self._now.isoformat())

    def _unsigned(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime
    ) -> x509.CertificateBuilder:
        return unsigned(subject, issuer, key.public_key(), begin=self._now - _BACKDATED, end=end)

    def _load_root(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        try:
            key = serialization.load_pem_private_key(self._key_file.read_bytes(), self._passphrase)
            root = x509.load_pem_x509_certificate(self.root_file.read_bytes())
        except TypeError as error:  # a passphrase too many or too few
            word = "has none" if self._passphrase else "is encrypted"
            raise ConfigError(f"{self._key_file}: the key {word}; see --passphrase-file") from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.folder}: the root cannot be read (--passphrase-file?): {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{self._key_file}: not an elliptic-curve key, so not of edge pki init")
        return key, root

    def _keep(self, entries: Sequence[Issued]) -> None:
        """Write the list and, from it, the revocation list, here and beside every broker's certificate."""
        key, root = self._load_root()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(root.subject)
            .last_update(self._now - _BACKDATED)
            .next_update(root.not_valid_after_utc)
            .add_extension(x509.CRLNumber(int(self._now.timestamp())), critical=False)
        )
        for entry in entries:
            if entry.revoked_at is not None:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(entry.serial, 16))
                    .revocation_date(datetime.fromisoformat(entry.revoked_at))
                    .build()
                )
        crl = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        write_secret(self._index_file, json.dumps([asdict(entry) for entry in entries], indent=1).encode())
        for folder in (self.folder, *self._broker_folders(entries)):
            write(folder / "revoked.crl", crl)

    def _broker_folders(self, entries: Sequence[Issued]) -> Iterator[Path]:
        names = {entry.name for entry in entries if entry.role == "broker"}
        yield from (self.folder / name for name in sorted(names) if (self.folder / name).is_dir())
