"""How well audio and picture go together in a frame, where a corpus tells."""

NORMAL = 'normal'
"""The condition of a frame in which both modalities tell of the person's affect."""
DECOUPLED = 'decoupled'
"""All other conditions together, in the names of figures."""
