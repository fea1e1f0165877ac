"""The exceptions of blocktwin, one tree; an exception is named after what went wrong.

    BlocktwinError
    ├── UsageError            the person typed or configured something wrong (exit code 2)
    │   ├── ConfigInvalid
    │   └── MissingPrerequisite
    ├── Permanent             the same input will fail again
    │   ├── MigrationConflict
    │   └── SchemaTooOld
    └── Transient             the surroundings are broken; retry with jitter
        ├── DatabaseAway
        └── BrokerAway

Bad *data* is no exception here: it is a value, ``core.model.Rejected``.
"""


class BlocktwinError(Exception):
    """Base of every error that blocktwin raises on purpose.

    ``str(error)`` is one sentence that names the cause and the place; ``remedy``, when set, is one
    sentence that says what to do next. The command line prints both and no traceback.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(BlocktwinError):
    """The person typed or configured something wrong."""

    exit_code = 2


class ConfigInvalid(UsageError):
    """A configuration file or environment variable cannot be used."""


class MissingPrerequisite(UsageError):
    """A program, package, file or service that the command needs is not there."""


class Permanent(BlocktwinError):
    """The same input will fail again; do not retry."""


class MigrationConflict(Permanent):
    """A migration that is already applied differs from the file on disk."""


class SchemaTooOld(Permanent):
    """The database lacks migrations that this program needs."""


class Transient(BlocktwinError):
    """The surroundings are broken for now; retry with jitter."""


class DatabaseAway(Transient):
    """The database cannot be reached or dropped the connection."""


class BrokerAway(Transient):
    """The MQTT broker cannot be reached or dropped the connection."""
