"""The wing for networks beside captum, quantus and zennit."""
