"""Real networks on real data, for the demos; they need the packages of the extra ``nn-demos``."""
