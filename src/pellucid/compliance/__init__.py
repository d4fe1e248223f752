"""Evidence about decisions: reason codes, records that can be verified, drift, and dated rule packs."""
