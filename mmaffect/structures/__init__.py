"""Names of what is predicted, and the data sample that carries it; MMEngine is imported with the sample only."""

from typing import TYPE_CHECKING

from .targets import AFFECT

if TYPE_CHECKING:
    from .affect_data_sample import AffectDataSample

__all__ = ['AFFECT', 'AffectDataSample']


def __getattr__(name: str) -> object:
    if name == 'AffectDataSample':
        from .affect_data_sample import AffectDataSample

        return AffectDataSample
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
