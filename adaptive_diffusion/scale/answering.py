"""Whether a Ray may be listening at an address, before Ray itself asks there for minutes."""

import socket

# What begins a connection of HTTP/2, which Ray speaks: its greeting, and settings that say nothing.
_SETTINGS = b"\4"
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0\0\0\0\0"
_KIND = slice(3, 4)
_OF_TLS = b"\x15"


def may_be_ray(host: str, port: int, seconds: float) -> bool:
    """Whether what listens there speaks as Ray does, or is secured so that it does not say; OSError where nothing does.

    seconds: to wait for an answer.
    """
    with socket.create_connection((host, port), seconds) as there:
        try:
            there.sendall(_HELLO)
            answer = there.recv(len(_HELLO))
        except ConnectionError:
            return True
    return not answer or answer[_KIND] == _SETTINGS or answer.startswith(_OF_TLS)
