"""Environments of decisions in sequence, with the interface of gymnasium."""
