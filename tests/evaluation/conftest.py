"""What the tests of metrics share."""

import logging

import pytest
from mmengine.logging import MMLogger


@pytest.fixture
def log():
    """Lines of MMEngine's logger, which does not propagate."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
