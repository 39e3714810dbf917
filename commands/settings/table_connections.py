"""Settings of the connections: where to listen, TLS, and what a cluster client is told."""

from __future__ import annotations

from typing import Literal, get_args

from commands.settings.kinds import (
    PORT,
    SMALL,
    TEXT,
    YES_NO,
    Addresses,
    Choice,
    HostName,
    Integer,
    Octal,
)
from commands.settings.setting import Setting

ClientCertificates = Literal["no", "yes", "optional"]
EndpointType = Literal["ip", "hostname", "unknown-endpoint"]


class ConnectionSettings:
    """One attribute per setting; the setting's name has hyphens where this has underscores."""

    # --- network ---------------------------------------------------------------------------

    port = Setting(PORT, "6379", "TCP port to listen on; 0 disables TCP.")
    bind = Setting(Addresses(), "127.0.0.1 ::1", "Addresses to listen on.", words=True)
    unixsocket = Setting(TEXT, "", "Path of a Unix socket to listen on.", mutable=False)
    unixsocketperm = Setting(
        Octal(0o777),
        "0",
        "Octal permissions of the Unix socket; 0 leaves them to the umask.",
        mutable=False,
    )
    tcp_backlog = Setting(
        SMALL, "511", "Maximum length of the queue of pending connections.", mutable=False
    )
    tcp_keepalive = Setting(
        SMALL, "300", "Seconds between TCP keep-alive probes; 0 disables the probes."
    )
    timeout = Setting(
        SMALL, "0", "Close a client after this many idle seconds; 0 disables the timeout."
    )
    maxclients = Setting(
        Integer(1, 2**32 - 1), "10000", "Maximum number of clients connected at the same time."
    )
    protected_mode = Setting(
        YES_NO, "yes", "Without a password, accept connections from this machine only."
    )

    # --- TLS -------------------------------------------------------------------------------

    tls_port = Setting(PORT, "0", "Port for TLS connections; 0 disables TLS.")
    tls_cert_file = Setting(
        TEXT, "", "PEM file with the server's certificate, and those between it and its authority."
    )
    tls_key_file = Setting(TEXT, "", "PEM file with the server's private key.")
    tls_key_file_pass = Setting(TEXT, "", "Password of the server's private key.", secret=True)
    tls_ca_cert_file = Setting(
        TEXT, "", "PEM file with the authorities that clients' certificates may come from."
    )
    tls_ca_cert_dir = Setting(
        TEXT, "", "Directory of such files, named by `openssl rehash`; read when a client connects."
    )
    tls_auth_clients: Setting[ClientCertificates] = Setting(
        Choice(*get_args(ClientCertificates)),
        "yes",
        "Whether clients need a certificate; `optional` verifies one that is sent.",
    )
    tls_protocols = Setting(
        TEXT,
        "",
        "TLS versions to accept, of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3; empty for the last two.",
    )
    tls_ciphers = Setting(TEXT, "", "Ciphers up to TLS 1.2, in OpenSSL's syntax.")
    tls_prefer_server_ciphers = Setting(
        YES_NO, "no", "Prefer the server's order of ciphers to the client's."
    )
    tls_dh_params_file = Setting(
        TEXT, "", "PEM file with Diffie-Hellman parameters for ciphers up to TLS 1.2."
    )
    tls_session_caching = Setting(
        YES_NO, "yes", "Give clients tickets with which they can resume their TLS sessions."
    )

    # --- cluster ---------------------------------------------------------------------------

    cluster_enabled = Setting(
        YES_NO,
        "no",
        "Present the server as a cluster of one node that owns all slots.",
        mutable=False,
    )
    cluster_port = Setting(
        PORT,
        "0",
        "Port of the cluster bus that `CLUSTER NODES` shows; 0 is `port` and 10000 more. Nothing "
        "listens there.",
        mutable=False,
    )
    cluster_announce_ip = Setting(
        TEXT, "", "Address to which clients are sent; empty for the one they already use."
    )
    cluster_announce_hostname = Setting(HostName(), "", "Host name to which clients are sent.")
    cluster_announce_port = Setting(
        PORT, "0", "Port to which clients are sent, if it is not `port`."
    )
    cluster_announce_tls_port = Setting(
        PORT, "0", "Port to which clients are sent that use TLS, if it is not `tls-port`."
    )
    cluster_announce_bus_port = Setting(
        PORT,
        "0",
        "Port of the cluster bus that `CLUSTER NODES` shows, if it is not `cluster-port`.",
    )
    cluster_preferred_endpoint_type: Setting[EndpointType] = Setting(
        Choice(*get_args(EndpointType)),
        "ip",
        "What clients are sent to: the address, the host name, or wherever they are.",
    )
