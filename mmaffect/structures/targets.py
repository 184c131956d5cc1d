"""What is predicted."""

AFFECT = ('valence', 'arousal')
"""The annotated dimensions, in the order of their columns everywhere."""
