import argparse

import pytest

from mmaffect.utils.options import OptionsAction


def parse(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


def test_dicts_are_read_and_the_rest_is_as_mmengine_reads_it():
    assert parse('a=[1,(2,x)]', 'b.c={"d": None}', 'e=True', "f=[{'type': 'A', 'b': [1, 2]}]", 'g=h=i') == {
        'a': [1, (2, 'x')],
        'b.c': {'d': None},
        'e': True,
        'f': [{'type': 'A', 'b': [1, 2]}],
        'g': 'h=i',
    }
    assert parse('a={}', '--cfg-options', 'b=1') == {'a': {}, 'b': 1}


@pytest.mark.parametrize(
    ('word', 'text'),
    [
        ("a=[{'type': 'A'", "--cfg-options a=[{'type': 'A': expected a dict"),
        ('a={x}+1', 'expected a dict as in Python'),
        ("a={'b': open('c')}", 'expected a dict as in Python'),
        ('a={[1]: 2}', 'expected a dict as in Python'),
        ('a=' + 300 * '{1:', 'expected a dict as in Python'),
        ('alone', '--cfg-options alone: expected KEY=VALUE'),
    ],
)
def test_others_are_refused_in_one_line(word, text, capsys):
    with pytest.raises(SystemExit):
        parse(word)
    assert text in capsys.readouterr().err
