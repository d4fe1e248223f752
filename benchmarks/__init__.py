"""Speed and accuracy beside named peers, as ratios measured in one run."""
