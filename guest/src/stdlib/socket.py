"""The names of sockets, for the modules of the standard library that mention them. There are no sockets in the sandbox."""

AF_UNSPEC, AF_INET, AF_INET6 = 0, 1, 2
SOCK_STREAM, SOCK_DGRAM = 6, 5
SOL_SOCKET, SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_TYPE = 1, 2, 9, 6, 3
IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, TCP_NODELAY, IPV6_V6ONLY = 6, 17, 41, 1, 26
AI_PASSIVE, AI_ADDRCONFIG, NI_NUMERICHOST, SOMAXCONN, SHUT_RD, SHUT_WR, SHUT_RDWR = 1, 32, 1, 128, 0, 1, 2

error = OSError
timeout = TimeoutError


class gaierror(OSError):
    pass


class herror(OSError):
    pass


def _refuse(*args, **kwargs):
    raise OSError("there are no sockets in this sandbox")


class socket:
    __init__ = _refuse


socketpair = create_connection = create_server = getaddrinfo = getnameinfo = gethostbyname = gethostname = fromfd = _refuse


def has_dualstack_ipv6():
    return False


def getdefaulttimeout():
    return None
