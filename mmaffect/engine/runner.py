"""A Runner whose terminal shows a run, and whose log file holds the settings."""

import logging

from mmengine.logging import MMLogger
from mmengine.runner import Runner as _Runner

# Where MMEngine's Runner logs environment, config, order of the hooks and the handling of SyncBN.
SETTINGS = ('_log_env', '__init__', 'wrap_model')


class Runner(_Runner):
    """MMEngine's Runner, without the hundreds of lines with which it begins on the terminal.

    The log file has them: environment, config, order of the hooks, learning rate of every weight.
    """

    def build_logger(self, log_level: int | str = 'INFO', log_file: str | None = None) -> MMLogger:
        """Build the logger; arguments as in MMEngine."""
        logger = super().build_logger(log_level, log_file)
        for handler in terminal_handlers(logger):
            handler.addFilter(_no_setting)
        return logger


def terminal_handlers(logger: logging.Logger) -> list[logging.Handler]:
    """What a logger writes to the terminal with."""
    return [one for one in logger.handlers if type(one) is logging.StreamHandler]


def _no_setting(record: logging.LogRecord) -> bool:
    if record.levelno > logging.INFO:
        return True
    setting = record.module == 'runner' and record.funcName in SETTINGS
    # A line or two of every weight, from MMEngine's constructor of optimizers.
    return not setting and not record.getMessage().startswith('paramwise_options')
