"""``KEY=VALUE`` arguments of command-line tools."""

import argparse
import ast
from collections.abc import Sequence

from mmengine.config import DictAction


class OptionsAction(DictAction):
    """MMEngine's ``DictAction``, which also reads dicts, as Python writes them.

    Examples:
        >>> parser = argparse.ArgumentParser()
        >>> _ = parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
        >>> parser.parse_args(['--cfg-options', "a.b=[{'type': 'FaceBlur', 'severity': 2}]", 'c=1']).cfg_options
        {'c': 1, 'a.b': [{'type': 'FaceBlur', 'severity': 2}]}
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Add the pairs to what is there; end with an error where one is no pair, or a dict cannot be read."""
        dicts, others = {}, []
        for pair in values:
            key, sign, value = pair.partition('=')
            if not sign:
                parser.error(f'{option_string} {pair}: expected KEY=VALUE')
            if '{' not in value:
                others.append(pair)
                continue
            try:
                dicts[key] = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                parser.error(f"{option_string} {pair}: expected a dict as in Python, {{'type': 'FaceBlur'}}")
        super().__call__(parser, namespace, others, option_string)
        getattr(namespace, self.dest).update(dicts)
