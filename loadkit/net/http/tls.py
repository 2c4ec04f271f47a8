"""TLS towards a target: whom to trust, and who we are."""

import ssl
from pathlib import Path
from typing import NoReturn

import gevent.ssl

from loadkit.errors import UsageError
from loadkit.network import Network

__all__ = ["client_context"]


def client_context(network: Network) -> gevent.ssl.SSLContext:
    """What the connections to a target are secured by.

    Raises:
        UsageError: a file cannot be read, or does not hold what it should.
    """
    # gevent's own class: `create_default_context` makes a blocking one unless something has patched
    # the standard library first. This protocol verifies the certificate and its name by itself.
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])  # a WebSocket upgrade cannot start on HTTP/2
    if network.insecure:
        context.check_hostname = False
        context.verify_mode = gevent.ssl.CERT_NONE
    if network.ca is None:
        context.load_default_certs()  # the system's authorities, or those of SSL_CERT_FILE
    else:
        try:
            context.load_verify_locations(Path(network.ca).expanduser())
        except OSError as error:
            _refuse("--ca", network.ca, error, "a PEM file with one certificate or more")
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # one that is no root, too
    if network.cert is not None:
        key = None if network.key is None else Path(network.key).expanduser()
        try:
            context.load_cert_chain(Path(network.cert).expanduser(), key, _no_pass_phrase)
        except OSError as error:
            flag = f"{network.cert}{'' if network.key is None else f' with --key {network.key}'}"
            _refuse("--cert", flag, error, "a PEM certificate and the key that belongs to it")
    return context


def _no_pass_phrase() -> str:
    # Else OpenSSL would ask on the terminal, once in each worker.
    raise UsageError(
        "the key of --cert has a pass phrase: give one without (openssl pkey -in KEY -out PLAIN)"
    )


def _refuse(flag: str, file: str, error: OSError, wanted: str) -> NoReturn:
    is_format = isinstance(error, ssl.SSLError)
    reason = f"it is not {wanted}" if is_format else error.strerror or type(error).__name__
    if is_format and getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        reason = "the key is not that of the certificate"
    raise UsageError(f"{flag} {file}: {reason}") from error
