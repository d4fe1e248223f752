"""CityHash64, version 1.0 (Pike and Alakuijala, 2011): how CatBoost numbers the values of a category."""

import struct

_ALL = (1 << 64) - 1
_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_KMUL = 0x9DDFEA08EB382D69


def city_hash_64(text: bytes) -> int:
    """Return the hash of some bytes, an unsigned 64-bit number.

    Examples
    --------
    >>> hex(city_hash_64(b""))
    '0x9ae16a3b2f90404f'
    """
    n = len(text)
    if n <= 16:
        return _up_to_16(text, n)
    if n <= 32:
        return _up_to_32(text, n)
    if n <= 64:
        return _up_to_64(text, n)
    return _longer(text, n)


def _fetch(text: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", text, at)[0])


def _fetch32(text: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", text, at)[0])


def _rotate(value: int, by: int) -> int:
    return value if by == 0 else ((value >> by) | (value << (64 - by))) & _ALL


def _mix(value: int) -> int:
    return value ^ (value >> 47)


def _join(u: int, v: int) -> int:
    a = _mix(((u ^ v) * _KMUL) & _ALL)
    b = _mix(((v ^ a) * _KMUL) & _ALL)
    return (b * _KMUL) & _ALL


def _up_to_16(text: bytes, n: int) -> int:
    if n > 8:
        a, b = _fetch(text, 0), _fetch(text, n - 8)
        return _join(a, _rotate((b + n) & _ALL, n)) ^ b
    if n >= 4:
        return _join((n + (_fetch32(text, 0) << 3)) & _ALL, _fetch32(text, n - 4))
    if n > 0:
        y = text[0] + (text[n >> 1] << 8)
        z = n + (text[n - 1] << 2)
        return (_mix(((y * _K2) ^ (z * _K3)) & _ALL) * _K2) & _ALL
    return _K2


def _up_to_32(text: bytes, n: int) -> int:
    a, b = (_fetch(text, 0) * _K1) & _ALL, _fetch(text, 8)
    c, d = (_fetch(text, n - 8) * _K2) & _ALL, (_fetch(text, n - 16) * _K0) & _ALL
    left = _rotate((a - b) & _ALL, 43) + _rotate(c, 30) + d
    return _join(left & _ALL, (a + _rotate(b ^ _K3, 20) - c + n) & _ALL)


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Hash 32 bytes and two seeds into two numbers."""
    w, x, y, z = (_fetch(text, at + 8 * k) for k in range(4))
    a = (a + w) & _ALL
    b = _rotate((b + a + z) & _ALL, 21)
    c = a
    a = (a + x + y) & _ALL
    b = (b + _rotate(a, 44)) & _ALL
    return (a + z) & _ALL, (b + c) & _ALL


def _up_to_64(text: bytes, n: int) -> int:
    first = (_fetch(text, 0) + (n + _fetch(text, n - 16)) * _K0) & _ALL
    vf, vs = _chain(first, _fetch(text, 24), _fetch(text, 8), _fetch(text, 16))
    second = (_fetch(text, 16) + _fetch(text, n - 32)) & _ALL
    wf, ws = _chain(second, _fetch(text, n - 8), _fetch(text, n - 24), _fetch(text, n - 16))
    r = _mix((((vf + ws) & _ALL) * _K2 + ((wf + vs) & _ALL) * _K0) & _ALL)
    return (_mix((r * _K0 + vs) & _ALL) * _K2) & _ALL


def _chain(a: int, z: int, u: int, v: int) -> tuple[int, int]:
    """Fold four words into two, for texts of 33 to 64 bytes."""
    b = _rotate((a + z) & _ALL, 52)
    c = _rotate(a, 37)
    a = (a + u) & _ALL
    c = (c + _rotate(a, 7)) & _ALL
    a = (a + v) & _ALL
    return (a + z) & _ALL, (b + _rotate(a, 31) + c) & _ALL


def _longer(text: bytes, n: int) -> int:
    x = _fetch(text, 0)
    y = _fetch(text, n - 16) ^ _K1
    z = _fetch(text, n - 56) ^ _K0
    v = _weak(text, n - 64, n, y)
    w = _weak(text, n - 32, (n * _K1) & _ALL, _K0)
    z = (z + _mix(v[1]) * _K1) & _ALL
    x = (_rotate((z + x) & _ALL, 39) * _K1) & _ALL
    y = (_rotate(y, 33) * _K1) & _ALL
    for at in range(0, (n - 1) & ~63, 64):
        x = (_rotate((x + y + v[0] + _fetch(text, at + 16)) & _ALL, 37) * _K1) & _ALL
        y = (_rotate((y + v[1] + _fetch(text, at + 48)) & _ALL, 42) * _K1) & _ALL
        x ^= w[1]
        y ^= v[0]
        z = _rotate(z ^ w[0], 33)
        v = _weak(text, at, (v[1] * _K1) & _ALL, (x + w[0]) & _ALL)
        w = _weak(text, at + 32, (z + w[1]) & _ALL, y)
        z, x = x, z
    return _join((_join(v[0], w[0]) + _mix(y) * _K1 + z) & _ALL, (_join(v[1], w[1]) + x) & _ALL)
