import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from mmaffect.errors import CorpusError
from mmaffect.utils.cli import one_line
from mmaffect.utils.files import replacing, sha256, write_array, write_text


def test_nothing_is_half_written(tmp_path):
    path = tmp_path / 'a.txt'
    write_text(path, 'old')

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text('half')
            raise OSError('no space left')

    with pytest.raises(OSError, match='no space left'):
        interrupted()
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_file_to_write(tmp_path):
    folder = tmp_path / 'a'
    folder.mkdir()
    (tmp_path / 'link').symlink_to(folder)
    for path in (folder, tmp_path / 'link'):
        with pytest.raises(IsADirectoryError) as caught:
            write_text(path, 'text')
        assert one_line(caught.value) == f'{path}: Is a directory'
    assert (tmp_path / 'link').is_symlink()
    assert list(folder.iterdir()) == []


def test_array_and_its_hash(tmp_path):
    array = np.arange(10.0)
    size, digest = write_array(tmp_path / 'a.npy', array)
    assert np.array_equal(np.load(tmp_path / 'a.npy'), array)
    data = (tmp_path / 'a.npy').read_bytes()
    assert (size, digest) == (len(data), hashlib.sha256(data).hexdigest())
    assert sha256(tmp_path / 'a.npy') == digest


@pytest.mark.parametrize(
    ('body', 'status', 'text'),
    [
        ('return None', 0, ''),
        ('return 3', 3, ''),
        ('raise KeyboardInterrupt', 130, 'interrupted\n'),
        ('from mmaffect.errors import CorpusError; raise CorpusError("a.json:\\n  cut")', 1, 'error: a.json: cut\n'),
        ('open("/none/such")', 1, 'error: /none/such: No such file or directory\n'),
    ],
)
def test_how_tools_end(body, status, text):
    code = f'from mmaffect.utils.cli import run_tool\ndef main():\n    {body}\nrun_tool(main)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, text)


def test_our_own_defects_keep_their_traceback():
    code = 'from mmaffect.utils.cli import run_tool\ndef main():\n    {}["x"]\nrun_tool(main)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'KeyError' in done.stderr


def test_an_error_of_a_worker_is_one_line_without_its_traceback():
    class Broken(torch.utils.data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise CorpusError('features/a.npy: has values that are not finite')

    with pytest.raises(CorpusError) as caught:
        list(torch.utils.data.DataLoader(Broken(), num_workers=1))
    assert 'Traceback' in str(caught.value)
    assert one_line(caught.value) == 'features/a.npy: has values that are not finite'


@pytest.mark.parametrize(('ending', 'status'), [('return', 0), ("raise MMAffectError('no')", 1)])
def test_a_tool_leaves_its_process_group(tmp_path, ending, status):
    # What is printed and what others registered for the end are there, though the interpreter is not taken down.
    program = f"""
import atexit, torch
from mmaffect.errors import MMAffectError
from mmaffect.utils.cli import run_tool
class Guard:
    def __del__(self):
        print('interpreter taken down')
guard = Guard()
def main():
    torch.distributed.init_process_group('gloo', init_method='file://{tmp_path}/store', rank=0, world_size=1)
    atexit.register(print, 'registered')
    print('printed')
    {ending}
run_tool(main)
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert done.stdout == 'printed\nregistered\n'
