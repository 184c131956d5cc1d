"""How fusions fare where audio and picture do not belong together: runs, statistics, figures, report."""
