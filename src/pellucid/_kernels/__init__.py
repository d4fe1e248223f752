"""Compiled kernels behind checked doors, and the slow twins that define them."""

try:
    from pellucid._kernels import _native as _native
except ImportError as error:
    error.add_note(
        "pellucid's compiled kernels are missing. In a checkout, build them with "
        "'pip install --no-build-isolation -e .' (needs a C++20 compiler); else reinstall pellucid."
    )
    raise
