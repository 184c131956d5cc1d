"""The sentences that go with every value a model gives."""

NOTICE = (
    'Valence and arousal are perceived expression, as annotators would rate it, and not what a person feels; '
    'mmaffect/USE.md says where they must not be used.'
)
"""In every trace, report and model card."""

SYNTHETIC_MODEL_NOTICE = 'This model was trained on a synthetic corpus: its values on people mean nothing.'
"""Beside :data:`NOTICE`, for models that were trained on drawn expressions, as those of the demo corpus."""
