"""Every exception of Driftline.

::

    DriftError
    ├── SettingsError         a setting or option is wrong; the message names it, what arrived and what is wanted
    ├── LensMismatchError     panes and a baseline were seen through different lenses
    ├── BaselineRefusedError  calls cannot serve as a baseline (too few, too repetitive); may be forced where said
    ├── CorruptError          stored bytes are not what their name or format promises
    ├── SourceError           a file, stream or store cannot be read or written
    │   ├── BrokenOffError    a source was cut off or damaged while it was read
    │   └── ClusterError      a Kafka cluster does not answer, or refuses what was asked of it
    ├── StoppedError          what runs for long has stopped by itself, or before its work was done
    ├── ShapeError            arrays do not fit: a wrong shape, a negative count, a NaN where a number is due
    └── EmptySampleError      a statistic was asked of no data, or of too little
"""


class DriftError(Exception):
    """Root of all; its message is written for the person who can mend it."""


class SettingsError(DriftError):
    """A setting or option is wrong."""


class LensMismatchError(DriftError):
    """Panes and a baseline were seen through different lenses."""


class BaselineRefusedError(DriftError):
    """These calls cannot serve as a baseline."""


class CorruptError(DriftError):
    """Stored bytes are not what their name or format promises."""


class SourceError(DriftError):
    """A source or a sink cannot be read or written."""


class BrokenOffError(SourceError):
    """A source was cut off or damaged while it was read."""


class ClusterError(SourceError):
    """A Kafka cluster does not answer, or refuses what was asked of it."""


class StoppedError(DriftError):
    """Something that runs for long has stopped by itself, or was stopped before its work was done."""


class EmptySampleError(DriftError):
    """A statistic was asked of no data, or of too little."""


class ShapeError(DriftError):
    """Arrays do not fit together, or hold what cannot be computed with."""
