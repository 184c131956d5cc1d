"""Errors that a user can cause: tools print them as one line and exit with 1."""


class MMAffectError(Exception):
    """Base of all errors of this package; the text names the file or key, what was found and what is expected."""


class MediaError(MMAffectError, ValueError):
    """A video, sound or image file that cannot be read, or whose content contradicts its own header."""


class AnnotationError(MMAffectError, ValueError):
    """An annotation file that is not a header and two columns of numbers in [-1, 1] or -5."""


class CorpusError(MMAffectError, ValueError):
    """A raw or prepared corpus that is missing, incomplete, damaged or of another format version."""


class CheckpointError(MMAffectError, ValueError):
    """A checkpoint that is damaged, unsafe to open or of another model."""


class ConfigError(MMAffectError, ValueError):
    """A config file or key that does not exist or does not fit its constructor."""


class DownloadError(MMAffectError, ValueError):
    """A file that could not be fetched, or that is not the one that was expected."""
