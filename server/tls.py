"""The certificates and rules of the TLS port, as the settings have them."""

from __future__ import annotations

import logging
import ssl
import warnings
from typing import Any

from commands.settings.kinds import SettingError
from commands.settings.setting import Setting
from commands.settings.settings import Settings

logger = logging.getLogger("redkeep")

# What CONFIG SET replies, as Redis does; the reason is in the log, because it may be about files.
_REFUSED = "Unable to update TLS configuration. Check server logs."
_VERSIONS = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}
# For a version that is left out between two that are accepted.
_WITHOUT = {
    ssl.TLSVersion.TLSv1_1: ssl.OP_NO_TLSv1_1,
    ssl.TLSVersion.TLSv1_2: ssl.OP_NO_TLSv1_2,
}
_DEFAULT_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
_AUTHENTICATION = {
    "yes": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "no": ssl.CERT_NONE,
}
# `Setting[Any]` is a setting of any type.
_FOLLOWED: tuple[Setting[Any], ...] = (
    Settings.tls_cert_file,
    Settings.tls_key_file,
    Settings.tls_key_file_pass,
    Settings.tls_dh_params_file,
    Settings.tls_ca_cert_file,
    Settings.tls_ca_cert_dir,
    Settings.tls_auth_clients,
    Settings.tls_protocols,
    Settings.tls_ciphers,
    Settings.tls_prefer_server_ciphers,
    Settings.tls_session_caching,
)


class TlsError(Exception):
    """Settings that TLS cannot be set up with; the message names the one at fault."""


class Tls:
    """The context of new connections; older ones keep the one they began with.

    Whenever one of the settings is set, even to the value it had, the files are read again.
    If that fails, the context remains as it was.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context: ssl.SSLContext | None = None
        for setting in _FOLLOWED:
            settings.on_change(setting, self._follow)

    @property
    def context(self) -> ssl.SSLContext:
        assert self._context is not None, "TLS connections come after `load`"
        return self._context

    def load(self) -> None:
        """Make the context as the settings are now; TlsError if that is not possible."""
        self._context = _make_context(self._settings)

    def reload(self) -> None:
        """As `load`, for CONFIG SET."""
        try:
            self.load()
        except TlsError as error:
            logger.warning("TLS: %s", error)
            raise SettingError(_REFUSED) from None

    def _follow(self, _: object) -> None:
        # Without a TLS port the files are not read; they are when there is one.
        if self._context is not None and self._settings.tls_port:
            self.reload()


def _make_context(settings: Settings) -> ssl.SSLContext:
    certificate, key = settings.tls_cert_file, settings.tls_key_file
    if not certificate:
        raise TlsError("'tls-port' needs a certificate: set 'tls-cert-file'")
    if not key:
        raise TlsError("'tls-port' needs a private key: set 'tls-key-file'")
    authorities = settings.tls_ca_cert_file, settings.tls_ca_cert_dir
    if not any(authorities) and settings.tls_auth_clients != "no":
        raise TlsError(
            "clients need certificates ('tls-auth-clients'): set 'tls-ca-cert-file' or "
            "'tls-ca-cert-dir', or 'tls-auth-clients no'"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _limit_versions(context, settings.tls_protocols)
    # Nothing in the protocol needs it, and each one costs the server a key exchange.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if not settings.tls_prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if not settings.tls_session_caching:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    if settings.tls_ciphers:
        try:
            context.set_ciphers(settings.tls_ciphers)
        except ssl.SSLError:
            raise TlsError("'tls-ciphers' names no cipher that is available") from None
    if settings.tls_dh_params_file:
        try:
            context.load_dh_params(settings.tls_dh_params_file)
        except OSError as error:
            raise _unreadable("tls-dh-params-file", settings.tls_dh_params_file, error) from None
    _load_certificate(context, certificate, key, settings.tls_key_file_pass)
    if any(authorities):
        try:
            context.load_verify_locations(authorities[0] or None, authorities[1] or None)
        except OSError as error:
            name = "tls-ca-cert-file" if authorities[0] else "tls-ca-cert-dir"
            raise _unreadable(name, authorities[0] or authorities[1], error) from None
    context.verify_mode = _AUTHENTICATION[settings.tls_auth_clients]
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str, password: str) -> None:
    try:
        # Without a password OpenSSL would ask for one on the terminal, and the server would wait.
        context.load_cert_chain(certificate, key, password=lambda: password)
    except OSError as error:
        if not isinstance(error, ssl.SSLError):
            # It does not say which of the two files is missing.
            for name, path in (("tls-cert-file", certificate), ("tls-key-file", key)):
                _require_readable(name, path)
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise TlsError(
            f"cannot load the certificate {certificate} with the key {key}: "
            f"{reason or 'not a PEM file, or a wrong password'}"
        ) from None
    except ValueError:
        raise TlsError("'tls-key-file-pass' is too long") from None


def _require_readable(name: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise _unreadable(name, path, error) from None


def _unreadable(name: str, path: str, error: OSError) -> TlsError:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return TlsError(f"cannot load '{name}' {path}: {reason or 'not a PEM file'}")


def _limit_versions(context: ssl.SSLContext, text: str) -> None:
    words = text.lower().split()
    unknown = [word for word in words if word not in _VERSIONS]
    if unknown:
        raise TlsError(
            f"'tls-protocols' has {unknown[0]!r}; it may have TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3"
        )
    accepted = [_VERSIONS[word] for word in words] or _DEFAULT_VERSIONS
    with warnings.catch_warnings():
        # The oldest versions are deprecated, and still Redis' setting accepts them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = min(accepted), max(accepted)
        for version, option in _WITHOUT.items():
            if min(accepted) < version < max(accepted) and version not in accepted:
                context.options |= option
