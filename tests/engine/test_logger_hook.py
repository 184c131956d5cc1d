"""One rank writes the figures of a test."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from mmaffect.engine.hooks import LoggerHook
from mmaffect.registry import HOOKS


@pytest.mark.parametrize(('main', 'files'), [(True, 1), (False, 0)])
def test_one_rank_writes_the_figures(tmp_path, monkeypatch, main, files):
    monkeypatch.setattr('mmaffect.engine.hooks.logger_hook.is_main_process', lambda: main)
    processor = SimpleNamespace(get_log_after_epoch=lambda *args, **kwargs: ({'CCC/mean': 0.5}, 'a line'))
    runner = SimpleNamespace(
        log_processor=processor,
        logger=Mock(),
        test_dataloader=[0],
        log_dir=tmp_path,
        timestamp='now',
        work_dir=tmp_path,
    )
    hook = HOOKS.build(dict(type='LoggerHook', interval=20))
    assert type(hook) is LoggerHook
    hook.before_run(runner)
    hook.after_test_epoch(runner, {'CCC/mean': 0.5})
    found = list(tmp_path.glob('*.json'))
    assert len(found) == files
    assert all(json.loads(path.read_text()) == {'CCC/mean': 0.5} for path in found)
    assert runner.logger.info.called == main
