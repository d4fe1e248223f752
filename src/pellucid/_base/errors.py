"""Every error pellucid raises on purpose.

::

    PellucidError
    ├── InputError (ValueError)            a table, target or option is not what was expected
    │   └── ColumnError                    columns are missing, duplicated or unknown
    ├── UnsupportedModelError (TypeError)  no adapter can read this model faithfully
    ├── UnsupportedRequestError (ValueError)  the method cannot answer this question of this model
    ├── ModelError                         the model's own predict misbehaved
    ├── AdapterMismatchError               our reading of the model differs from the model
    ├── AdditivityError                    exact values do not sum to the model's output
    ├── MissingDependencyError (ImportError)  an optional package is needed
    └── FileError (OSError)                a file cannot be read, trusted or written

Messages say what was expected, what came, and what to do.
"""


class PellucidError(Exception):
    """Base class of every error that pellucid raises on purpose."""


class InputError(PellucidError, ValueError):
    """A table, target or option is not what was expected."""


class ColumnError(InputError):
    """Columns are missing, duplicated or unknown."""


class UnsupportedModelError(PellucidError, TypeError):
    """No adapter can read this model faithfully."""


class UnsupportedRequestError(PellucidError, ValueError):
    """The method cannot answer this question of this model."""


class ModelError(PellucidError):
    """The model's own prediction function misbehaved."""


class AdapterMismatchError(PellucidError):
    """Our reading of the model's structure differs from what the model predicts."""


class AdditivityError(PellucidError):
    """Exact values do not sum to the original model's output within their bound."""


class MissingDependencyError(PellucidError, ImportError):
    """An optional package is needed; the message has the command that installs it."""


class FileError(PellucidError, OSError):
    """A file cannot be read, trusted or written."""
