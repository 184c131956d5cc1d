import runpy
import sys

import pytest


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Runs a tool within this process; returns status, stdout and stderr."""

    def run(tool, *args):
        monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, args)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(tool), run_name='__main__')
        output = capsys.readouterr()
        return end.value.code, output.out, output.err

    return run
