"""Samples built from flat options, as a study builds them."""

from bunchtrain import parts


def sample(name, **options):
    return parts.build("source", name, options)
