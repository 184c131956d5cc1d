"""Files that want to run code, fill the memory or pass for what they are not: one line each, at once."""

import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import OrderedDict

import pytest
import torch
from torch import nn

from mmaffect.engine.checkpoint import read_checkpoint
from mmaffect.errors import CheckpointError

SECONDS = 2.0
BYTES = 1 << 30

# Reads each file in turn and tells the error, the processor time of the call, which other work on the machine does not
# lengthen, and how far the peak of memory is above that of the imports.
READER = """
import json, resource, sys, time
from mmaffect.engine.checkpoint import read_checkpoint
from mmaffect.errors import CheckpointError
import numpy, safetensors.torch, torch
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
base = peak()
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        read_checkpoint(path)
        told = None
    except CheckpointError as error:
        told = str(error)
    print(json.dumps([path, told, time.process_time() - start, peak() - base]))
"""


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, 'w'))


def weights():
    return {'state_dict': nn.Linear(30, 20).state_dict(), 'meta': {'epoch': 1}}


def save(content, path, legacy=False):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def rewrite(path, change=None, rename=lambda name: name, method=zipfile.ZIP_STORED):
    """Save good weights, then write the zip file anew with other names, contents or compression."""
    save(weights(), path)
    with zipfile.ZipFile(path) as archive:
        records = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, 'w', method) as archive:
        for name, data in (change or dict)(records).items():
            archive.writestr(rename(name), data)


def bomb(path):
    """4 MB that inflate to 4 GiB: a deflated block of 16 MiB, 256 times."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(1 << 24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a/data.pkl', pickle.dumps({}))
        archive.writestr('a/data/0', block * 256 + deflate.flush())
        record = archive.infolist()[1]
        record.compress_type, record.file_size = zipfile.ZIP_DEFLATED, 1 << 32
    assert path.stat().st_size < 5e6


def overlapping(path):
    """A directory that lists one record of 1 MiB a thousand times."""
    name, data = b'a/data.pkl', bytes(1 << 20)
    crc = zlib.crc32(data)
    local = struct.pack('<4s5H3I2H', b'PK\3\4', 20, 0, 0, 0, 0, crc, len(data), len(data), len(name), 0) + name
    entry = struct.pack(
        '<4s6H3I5H2I', b'PK\1\2', 20, 20, 0, 0, 0, 0, crc, len(data), len(data), len(name), 0, 0, 0, 0, 0, 0
    )
    directory = (entry + name) * 1000
    start = len(local) + len(data)
    path.write_bytes(local + data + directory + end_of_zip(1000, len(directory), start))


def end_of_zip(count, size, start):
    return struct.pack('<4s4H2IH', b'PK\5\6', 0, 0, count, count, size, start, 0)


def huge_directory(path):
    """A directory of 64 MiB: more than a million entries."""
    entry = struct.pack('<4s6H3I5H2I', b'PK\1\2', 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b'a'
    directory = entry * ((64 << 20) // len(entry))
    path.write_bytes(b'PK\3\4' + bytes(26) + directory + end_of_zip(65535, len(directory), 30))


def tower(levels):
    """Pickle of a dict whose key is a tuple of twice the tuple below it: its hash takes 2 ** levels steps."""
    twice = b''.join(b'h' + bytes([i]) + b'\x86q' + bytes([i + 1]) for i in range(levels))
    return b'\x80\x02}K\x00q\x00' + twice + b'K\x01s.'


def with_pickle(path, data):
    rewrite(path, lambda records: {n: data if n.endswith('data.pkl') else old for n, old in records.items()})


def legacy_tower(path):
    save({}, path, legacy=True)
    data = path.read_bytes()
    old = b'\x80\x02}q\x00.'
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, tower(60)))


def flipped(path):
    save(weights(), path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = next(entry.header_offset for entry in archive.infolist() if entry.filename.endswith('data/0'))
    data[offset + 400] ^= 1
    path.write_bytes(data)


def shared(path):
    """100,000 names of one tensor of 4 MB: each would be looked through."""
    tensor = torch.zeros(1 << 20)
    save({f'w{i}': tensor for i in range(100_000)}, path)


def legacy_huge(path):
    """A file of PyTorch before 1.6 that declares a storage of 1 TiB."""
    save({'w': torch.zeros(4)}, path, legacy=True)
    data = path.read_bytes()
    declared = pickle.dumps(4, 2)[2:-1]
    assert data.count(b'cpuq\x06' + declared) == 1
    path.write_bytes(data.replace(b'cpuq\x06' + declared, b'cpuq\x06' + pickle.dumps(1 << 38, 2)[2:-1]))


def write_tar(path):
    with tarfile.open(path, 'w') as archive:
        for name in ('sys_info', 'pickle', 'storages', 'tensors'):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b'abcd'))


def safetensors(path, header, data=b'', length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text) if length is None else length) + text + data)


def f32(first, last, shape):
    return {'dtype': 'F32', 'shape': shape, 'data_offsets': [first, last]}


def truncated(path):
    save(weights(), path)
    path.write_bytes(path.read_bytes()[:-700])


def truncated_legacy(path):
    save(weights(), path, legacy=True)
    path.write_bytes(path.read_bytes()[:-700])


def cycle(path):
    content = {'state_dict': {}, 'list': []}
    content['list'].append(content['list'])
    save(content, path)


def quantised():
    return torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8)


CASES = {
    'bomb.pth': (bomb, 'compressed records'),
    'deflated.pth': (lambda p: rewrite(p, method=zipfile.ZIP_DEFLATED), 'compressed records'),
    'overlapping.pth': (overlapping, 'records overlap'),
    'huge_directory.pth': (huge_directory, 'table of contents of 6'),
    'traversal.pth': (lambda p: rewrite(p, rename=lambda n: f'../../{n}'), 'a record named'),
    'absolute.pth': (lambda p: rewrite(p, rename=lambda n: f'/etc/{n}'), 'a record named'),
    'npz.pth': (lambda p: rewrite(p, lambda r: {'a/w.npy': b'0'}), 'not one of torch.save'),
    'torchscript.pth': (lambda p: torch.jit.save(torch.jit.script(nn.Linear(1, 1)), str(p)), 'a TorchScript program'),
    'flipped.pth': (flipped, 'checksum'),
    'truncated.pth': (truncated, 'truncated or damaged'),
    'truncated_legacy.pth': (truncated_legacy, 'damaged'),
    'evil.pth': (lambda p: save({'w': Evil(f'{p}.ran')}, p), '(io.open); it was not loaded'),
    'evil_legacy.pth': (lambda p: save({'w': Evil(f'{p}.ran')}, p, legacy=True), 'other than weights (io.open)'),
    'evil_meta.pth': (lambda p: save({**weights(), 'meta': Evil(f'{p}.ran')}, p), 'objects other than weights'),
    'evil_pickle.pth': (lambda p: p.write_bytes(pickle.dumps(Evil(f'{p}.ran'))), 'a plain pickle'),
    'pickle0.pth': (lambda p: p.write_bytes(pickle.dumps(Evil(f'{p}.ran'), 0)), 'not a checkpoint'),
    'module.pth': (lambda p: save(nn.Linear(1, 1), p), 'other than weights (torch.nn.modules.linear.Linear)'),
    'module_legacy.pth': (lambda p: save(nn.Linear(1, 1), p, legacy=True), 'other than weights'),
    'legacy_huge.pth': (legacy_huge, ''),
    'tower.pth': (lambda p: with_pickle(p, tower(60)), 'an object of more than 1000000 parts'),
    'legacy_tower.pth': (legacy_tower, 'an object of more than 1000000 parts'),
    'long_pickle.pth': (lambda p: with_pickle(p, b'\x80\x02' + b'N0' * (10 << 20) + b'}.'), 'more than 1000000 steps'),
    'no_pickle.pth': (lambda p: with_pickle(p, b'\x80\x02\xff.'), 'damaged (ValueError)'),
    'empty_stack.pth': (lambda p: with_pickle(p, b'\x80\x02s.'), 'damaged (IndexError)'),
    'expanded.pth': (lambda p: save({'w': torch.zeros(1).expand(10**6, 10**6)}, p), 'larger than its data'),
    'expanded_state.pth': (
        lambda p: save({**weights(), 'optimizer': {'state': [torch.zeros(1).expand(10**6, 10**6)]}}, p),
        'larger than its data',
    ),
    'stretched.pth': (lambda p: save({'w': torch.zeros(64)[:1].expand(8)}, p), 'larger than its data'),
    'shared.pth': (shared, 'larger than the file'),
    'meta.pth': (lambda p: save({'w': torch.zeros(4, device='meta')}, p), 'expected plain ones'),
    'sparse.pth': (lambda p: save({'w': torch.eye(3).to_sparse()}, p), 'expected plain ones'),
    'quantised.pth': (lambda p: save({'w': quantised()}, p), 'expected plain ones'),
    'complex.pth': (lambda p: save({'w': torch.zeros(4, dtype=torch.complex64)}, p), 'complex64; expected real'),
    'nan.pth': (lambda p: save({'w': torch.tensor([0.0, float('nan')])}, p), 'w has values that are not finite'),
    'opposite.pth': (lambda p: save({'w': torch.tensor([float('inf'), float('-inf')])}, p), 'not finite'),
    'inf.pth': (lambda p: save({'w': torch.tensor([float('-inf')])}, p), 'not finite'),
    'text.pth': (lambda p: save({'w': 'a text'}, p), 'w is a str'),
    'number.pth': (lambda p: save({3: torch.zeros(1)}, p), 'int is a Tensor'),
    'lines.pth': (lambda p: save({'a\n\x1b[31mb': 1}, p), r"'a\n\x1b[31mb' is a int"),
    'list.pth': (lambda p: save([torch.zeros(1)], p), 'holds a list'),
    'tensor.pth': (lambda p: save(torch.zeros(1), p), 'holds a Tensor'),
    'nothing.pth': (lambda p: save({'state_dict': OrderedDict()}, p), 'no weights in it'),
    'cycle.pth': (cycle, 'no weights in it'),
    'empty.pth': (lambda p: p.write_bytes(b''), '0 bytes'),
    'html.pth': (lambda p: p.write_bytes(b'\xef\xbb\xbf\r\n <!DOCTYPE HTML><html>'), 'an HTML page'),
    'lfs.pth': (lambda p: p.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0'), 'git-lfs pointer'),
    'plain.pth': (lambda p: p.write_text('hello'), "begins with b'hell'"),
    'hdf5.pth': (lambda p: p.write_bytes(b'\x89HDF\r\n\x1a\n' + bytes(99)), 'an HDF5 file'),
    'gzip.pth': (lambda p: p.write_bytes(gzip.compress(b'weights')), 'a gzip file'),
    'tar.pth': (write_tar, 'a tar file'),
    'zeros.pth': (lambda p: p.write_bytes(bytes(10_000)), 'not a checkpoint'),
    'folder.pth': (lambda p: p.mkdir(), 'a folder; expected a file'),
    'fifo.pth': (os.mkfifo, 'not a regular file'),
    'link_loop.pth': (lambda p: p.symlink_to(p), 'Too many levels of symbolic links'),
    'missing.pth': (lambda p: None, 'no such file'),
    'huge_header.safetensors': (
        lambda p: safetensors(p, b'{' + b' ' * (32 << 20) + b'}'),
        'table of contents of 33554434 bytes',
    ),
    'long_header.safetensors': (lambda p: safetensors(p, {}, length=1 << 40), 'not a checkpoint'),
    'overlap.safetensors': (
        lambda p: safetensors(p, {'a': f32(0, 8, [2]), 'b': f32(4, 12, [2])}, bytes(12)),
        'damaged',
    ),
    'outside.safetensors': (lambda p: safetensors(p, {'a': f32(0, 1 << 40, [1 << 38])}, bytes(8)), 'damaged'),
    'json.safetensors': (lambda p: safetensors(p, b'{"a": nonsense}', bytes(8)), 'damaged'),
    'deep.safetensors': (lambda p: safetensors(p, b'{"a":' * 100_000), 'damaged'),
    'none.safetensors': (lambda p: safetensors(p, {}), 'no weights in it'),
    'nan.safetensors': (lambda p: safetensors(p, {'a': f32(0, 4, [1])}, struct.pack('<f', float('nan'))), 'not finite'),
}


@pytest.fixture(scope='module')
def told(tmp_path_factory):
    """What the reader says of each file, how long it took and how much memory; read in one other process."""
    folder = tmp_path_factory.mktemp('hostile')
    for name, (write, _) in CASES.items():
        write(folder / name)
    paths = [str(folder / name) for name in CASES]
    run = subprocess.run([sys.executable, '-c', READER, *paths], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('["')]
    assert [row[0] for row in rows] == paths
    assert not list(folder.glob('*.ran')), 'code of a checkpoint ran'
    return {name: (folder / name, *row[1:]) for name, row in zip(CASES, rows, strict=True)}


@pytest.mark.parametrize('name', CASES)
def test_one_line_at_once(told, name):
    path, text, seconds, grown = told[name]
    assert text is not None, 'it was loaded'
    assert text.startswith(f'{path}: ')
    assert CASES[name][1] in text
    assert text.isprintable()
    assert len(text) < len(str(path)) + 300
    assert 'weights_only' not in text
    assert seconds < SECONDS
    assert grown < BYTES


def test_an_object_of_another_class_runs_code_when_it_is_unpickled(tmp_path):
    # Or the tests above would pass with a harmless file.
    pickle.loads(pickle.dumps(Evil(str(tmp_path / 'ran')))).close()
    assert (tmp_path / 'ran').exists()


@pytest.mark.parametrize('legacy', [False, True])
def test_both_formats_of_torch_are_read(tmp_path, legacy):
    good = weights()
    save(good, tmp_path / 'good.pth', legacy)
    assert (tmp_path / 'good.pth').read_bytes().startswith(b'PK') != legacy
    read = read_checkpoint(tmp_path / 'good.pth')
    assert read['meta'] == {'epoch': 1}
    assert torch.equal(read['state_dict']['weight'], good['state_dict']['weight'])


def test_tied_and_transposed_weights_are_read(tmp_path):
    a = torch.arange(6.0).view(2, 3)
    conv = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    large = torch.full((9,), torch.finfo(torch.float32).max)  # its sum is not finite
    content = {
        'a': a,
        'tied': a,
        'large': large,
        'transposed': a.T,
        'conv': conv,
        'scalar': torch.tensor(3),
        'none': torch.zeros(0, 3),
    }
    torch.save(content, tmp_path / 'good.pth')
    state = read_checkpoint(tmp_path / 'good.pth')['state_dict']
    assert all(torch.equal(state[key], value) for key, value in content.items())


def test_a_tower_is_what_it_is_taken_for():
    assert pickle.loads(tower(2)) == {((0, 0), (0, 0)): 1}


def test_every_flipped_bit_of_a_zip_is_refused_or_harmless(tmp_path):
    path = tmp_path / 'model.pth'
    good = {'state_dict': {'w': torch.randn(60), 'b': torch.randn(3)}}
    torch.save(good, path)
    data = path.read_bytes()
    refused = 0
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        try:
            state = read_checkpoint(path)['state_dict']
        except CheckpointError:
            refused += 1
        else:
            # Padding and dates: the weights must be those that were saved.
            assert list(state) == ['w', 'b'], position
            assert all(torch.equal(state[key], good['state_dict'][key]) for key in state), position
    assert refused > 0.3 * len(range(0, len(data), 7))
