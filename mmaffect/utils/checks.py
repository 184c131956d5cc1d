"""Checks of what a config gives to a class; ``owner`` is the name of the class in the error."""

from ..errors import ConfigError


def check_size(owner: str, name: str, value: int) -> None:
    """Raise :class:`ConfigError` unless ``value`` is an integer of at least 1."""
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f'{owner}: {name}={value!r}; expected an integer of at least 1')


def check_dropout(owner: str, value: float) -> None:
    """Raise :class:`ConfigError` unless ``value`` is in [0, 1): with 1 nothing would be left to learn from."""
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f'{owner}: dropout={value!r}; expected 0 <= dropout < 1')


def check_temperature(owner: str, value: float) -> None:
    """Raise :class:`ConfigError` unless ``value`` is positive."""
    if not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f'{owner}: temperature={value!r}; expected more than 0')
